import { expect, test } from '@jest/globals';
import { CLOCK_SLACK_MS, type Claim, type Reading, StalenessChecker } from './staleness-checker.js';

/** Versions 1, 2, 3 and so on of stock 7, each with ten times its version on hand, acknowledged at these times. */
function written(...ackedMs: readonly number[]): StalenessChecker {
  const checker = new StalenessChecker();
  for (const [index, ms] of ackedMs.entries()) checker.acknowledged(7, index + 1, 10 * (index + 1), ms);
  return checker;
}

const FRESH: Claim = { source: 'LOCAL_CACHE', cached: true, maxAgeMs: 100, stale: false };

const reading = (version: number, startMs: number, changes: Partial<Reading> = {}): Reading => ({
  ...{ stock: 7, startMs, strong: false, minVersion: 0, version, quantity: 10 * version, claim: FRESH },
  ...changes,
});

const claiming = (changes: Partial<Claim>): Partial<Reading> => ({ claim: { ...FRESH, ...changes } });

/** What is wrong with a reading, without its story. */
function problemsOf(checker: StalenessChecker, one: Reading): string[] {
  const before = checker.totals.problems.length;
  checker.judge(one);
  return checker.totals.problems.slice(before).map((problem) => problem.split(':')[0]!);
}

test('the newest version is never too old, nor is one whose successor is not acknowledged', () => {
  const checker = written(0, 1_000);
  expect(problemsOf(checker, reading(2, 90_000))).toEqual([]);
  expect(problemsOf(checker, reading(3, 90_000))).toEqual([]);
  expect(problemsOf(checker, reading(1, 999))).toEqual([]);
});

test('an older version is as old as the first acknowledgement of a newer one', () => {
  const checker = written(0, 1_000, 1_050);
  expect(problemsOf(checker, reading(1, 1_100))).toEqual([]);
  expect(problemsOf(checker, reading(1, 1_100 + CLOCK_SLACK_MS))).toEqual([]);
  expect(problemsOf(checker, reading(1, 1_102))).toEqual(['older than it says']);
  expect(problemsOf(checker, reading(2, 1_150))).toEqual([]);
  expect(problemsOf(checker, reading(2, 1_152))).toEqual(['older than it says']);
  expect(problemsOf(checker, reading(1, 1_102, claiming({ maxAgeMs: 103 })))).toEqual([]);
});

test('a newer version that is acknowledged before an older one makes both old', () => {
  const checker = new StalenessChecker();
  checker.acknowledged(7, 1, 10, 0);
  checker.acknowledged(7, 3, 30, 1_000);
  checker.acknowledged(7, 2, 20, 1_400);
  expect(problemsOf(checker, reading(1, 1_150))).toEqual(['older than it says']);
  expect(problemsOf(checker, reading(2, 1_150))).toEqual(['older than it says']);
  expect(problemsOf(checker, reading(3, 9_000))).toEqual([]);
});

test('a history of its own for each stock', () => {
  const checker = written(0, 1_000);
  checker.acknowledged(8, 1, 5, 0);
  expect(problemsOf(checker, reading(1, 5_000, { stock: 8, quantity: 5 }))).toEqual([]);
  expect(problemsOf(checker, reading(1, 5_000))).toEqual(['older than it says']);
  expect(checker.newestVersion(7)).toBe(2);
  expect(checker.newestVersion(8)).toBe(1);
  expect(checker.newestVersion(9)).toBe(0);
});

test('what is older than 5 s has to say that it is stale, whatever age it tells', () => {
  const checker = written(0, 1_000);
  const stale = claiming({ maxAgeMs: 7_000, stale: true });
  expect(problemsOf(checker, reading(1, 7_000, stale))).toEqual([]);
  expect(problemsOf(checker, reading(1, 7_000, claiming({ maxAgeMs: 7_000 })))).toEqual([
    'older than 5 s and not stale',
    'its age and its mark disagree',
  ]);
  expect(problemsOf(checker, reading(2, 7_000, claiming({ stale: true })))).toEqual([
    'its age and its mark disagree',
  ]);
});

test('the version that was asked for is the least', () => {
  const checker = written(0, 1_000);
  expect(problemsOf(checker, reading(2, 1_001, { minVersion: 2 }))).toEqual([]);
  expect(problemsOf(checker, reading(1, 1_001, { minVersion: 2 }))).toEqual(['below the version asked for']);
});

test('STRONG misses nothing that was acknowledged', () => {
  const checker = written(0, 1_000);
  expect(problemsOf(checker, reading(2, 1_050, { strong: true }))).toEqual([]);
  expect(problemsOf(checker, reading(1, 1_050, { strong: true }))).toEqual([
    'STRONG, and something acknowledged is missing',
  ]);
});

test('a version has the quantity that its write was answered with, and a cache is called one', () => {
  const checker = written(0, 1_000);
  expect(problemsOf(checker, reading(2, 1_001, { quantity: 21 }))).toEqual([
    'another quantity than was written',
  ]);
  expect(problemsOf(checker, reading(2, 1_001, claiming({ source: 'PRIMARY' })))).toEqual([
    'its source and its mark disagree',
  ]);
});

test('a stock that is not found is as old as the write that made it; its answer tells no age', () => {
  const checker = written(1_000);
  const absent = { claim: undefined, quantity: 0 };
  expect(problemsOf(checker, reading(0, 1_500, absent))).toEqual([]);
  expect(problemsOf(checker, reading(0, 6_500, absent))).toEqual(['older than 5 s and not stale']);
  expect(checker.totals.sources.NOT_FOUND).toEqual({
    readings: 2,
    oldestMs: 5_500,
    overOneSecond: 1,
    stale: 0,
  });
});

test('counts by source: readings, the oldest, those over a second; and what went back', () => {
  const checker = written(0, 1_000);
  const old = claiming({ source: 'REPLICA', cached: false, maxAgeMs: 1_200 });
  checker.judge(reading(2, 1_500));
  checker.judge(reading(1, 1_500, claiming({ maxAgeMs: 600 })));
  checker.judge(reading(1, 2_100, old));
  checker.failed('UNAVAILABLE', false, 4);
  checker.failed('UNAVAILABLE', true, 1);
  checker.failed('UNAVAILABLE', true, 1);
  expect(checker.totals).toMatchObject({
    ...{ readings: 3, writes: 2, wentBack: 2, problemCount: 0 },
    ...{ failures: { UNAVAILABLE: 4 }, strongFailures: { UNAVAILABLE: 2 } },
    sources: {
      LOCAL_CACHE: { readings: 2, oldestMs: 500, overOneSecond: 0 },
      REPLICA: { readings: 1, oldestMs: 1_100, overOneSecond: 1 },
    },
  });
});

test('tells what happened, and counts what it does not keep', () => {
  const checker = written(0, 1_000, 1_400);
  for (let time = 0; time < 30; time++) checker.judge(reading(1, 2_000));
  expect(checker.totals.problemCount).toBe(30);
  expect(checker.totals.problems).toHaveLength(20);
  expect(checker.totals.problems[0]).toBe(
    'older than it says: stock 7 read at 2000.0: version 1 from LOCAL_CACHE, at most 100 ms old; ' +
      'truly 1000.0 ms; acknowledged: 1 @ 0.0, 2 @ 1000.0, 3 @ 1400.0',
  );
});
