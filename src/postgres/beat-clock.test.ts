import { expect, test } from '@jest/globals';
import { BeatClock, firstBeatOf } from './beat-clock.js';

const SECOND_US = 1_000_000;
/** What the primary's clock shows when the test begins. */
const NOW_US = 1_700_000_000 * SECOND_US;
const FIRST = firstBeatOf(3n);

const lookedAt = (clock: BeatClock, timeline: bigint, nowUs: number) =>
  clock.sawClock(timeline, { sentMs: performance.now(), nowUs });

test('a beat is as old as its primary tells', () => {
  const clock = new BeatClock();
  clock.sawBeat(FIRST, NOW_US - 2 * SECOND_US);
  expect(clock.newestAgeMs).toBeUndefined();
  lookedAt(clock, 3n, NOW_US);
  expect(clock.newestAgeMs).toBeGreaterThanOrEqual(2_000);
  expect(clock.newestAgeMs).toBeLessThan(3_000);
});

test('how old a beat from before its clock was set back is, cannot be told, also once the clock has come there again', () => {
  const clock = new BeatClock();
  clock.sawBeat(FIRST - 1n, NOW_US - 7 * SECOND_US);
  lookedAt(clock, 2n, NOW_US);
  clock.sawBeat(FIRST, NOW_US);
  clock.sawBeat(FIRST + 1n, NOW_US - 10 * SECOND_US);
  lookedAt(clock, 3n, NOW_US + SECOND_US);
  expect(clock.ageMs(FIRST, NOW_US)).toBeUndefined();
  expect(clock.newestAgeMs).toBeGreaterThanOrEqual(11_000);
  // Another primary's clock is not the one that was set back.
  expect(clock.ageMs(FIRST - 1n, NOW_US - 7 * SECOND_US)).toBeGreaterThanOrEqual(7_000);
});
