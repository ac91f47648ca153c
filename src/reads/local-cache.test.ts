import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { StockChange, StockCopy } from '../domain/types.js';
import { changeOf } from '../feed/sample-change.js';
import type { Position } from '../feed/tail.js';
import { firstBeatOf } from '../postgres/beat-clock.js';
import { LocalCache } from './local-cache.js';

const TIMELINE = 3n;
const FIRST = firstBeatOf(TIMELINE);

const at = (
  beat: bigint,
  timeline = TIMELINE,
  watermarkMs: number | undefined = performance.now(),
): Position => ({
  cursor: { database: 'db', timeline, synchronous: true, last: 0n, running: [] },
  ...{ beat, watermarkUs: 0, watermarkMs, sentMs: 0 },
});

const copy = (productId: string, version: bigint, asOf: bigint): StockCopy => ({
  stock: { storeId: 'S', productId, net: Number(version) * 10, version, createTimeUs: 1, updateTimeUs: 2 },
  asOf,
});

const change = (productId: string, version: number): StockChange => ({
  ...changeOf(productId, version),
  ...{ netAfter: version * 10, recordedTimeUs: 77 },
});

let cache: LocalCache;
const versionOf = (productId: string) => cache.get(`S\0${productId}`)?.version;

beforeEach(() => {
  cache = new LocalCache(3);
  cache.restarted(at(FIRST + 5n));
});

test('before the feed has begun nothing is kept, and the age is not known', () => {
  const early = new LocalCache(3);
  early.offer(copy('P', 1n, FIRST + 100n));
  expect(early.size).toBe(0);
  expect(early.ageMs).toBe(Number.POSITIVE_INFINITY);
  expect(early.accepts(copy('P', 1n, FIRST + 100n))).toBe(false);
});

test('keeps what it is offered, if it is accepted, and drops what was not read for longest', () => {
  for (const productId of ['A', 'B', 'C']) cache.offer(copy(productId, 1n, FIRST + 7n));
  cache.offer(copy('TOO_OLD', 1n, FIRST + 6n));
  cache.offer(copy('ABSENT', 0n, FIRST + 7n));
  expect(cache.size).toBe(3);
  cache.get('S\0A');
  cache.offer(copy('D', 1n, FIRST + 7n));
  expect(['A', 'B', 'C', 'D'].map(versionOf)).toEqual([1n, undefined, 1n, 1n]);
});

test('a change updates what is kept, which is no use of it, and is remembered of what is not', () => {
  for (const productId of ['A', 'B', 'C']) cache.offer(copy(productId, 1n, FIRST + 7n));
  cache.advanced(at(FIRST + 9n), [change('A', 2), change('X', 5)]);
  expect(cache.get('S\0A')).toEqual({
    ...{ storeId: 'S', productId: 'A', net: 20, version: 2n, createTimeUs: 1, updateTimeUs: 77 },
  });
  cache.advanced(at(FIRST + 9n), [change('B', 2)]);
  cache.offer(copy('X', 4n, FIRST + 10n));
  expect(versionOf('X')).toBeUndefined();
  cache.offer(copy('X', 5n, FIRST + 7n));
  // B was changed last, and used least of late: it goes.
  expect(['A', 'B', 'C', 'X'].map(versionOf)).toEqual([2n, undefined, 1n, 5n]);
});

test('an older copy or change never replaces a newer one', () => {
  cache.offer(copy('A', 3n, FIRST + 7n));
  cache.advanced(at(FIRST + 8n), [change('A', 2)]);
  cache.offer(copy('A', 2n, FIRST + 50n));
  cache.refresh(copy('A', 1n, FIRST + 50n));
  expect(versionOf('A')).toBe(3n);
  cache.refresh(copy('A', 4n, FIRST + 8n));
  cache.refresh(copy('NOT_KEPT', 4n, FIRST + 8n));
  expect(['A', 'NOT_KEPT'].map(versionOf)).toEqual([4n, undefined]);
});

describe('what was read before a restart, or on another timeline,', () => {
  const NEXT = firstBeatOf(TIMELINE + 1n);

  test.each<[string, () => void]>([
    ['a restart on a new timeline', () => cache.restarted(at(NEXT, TIMELINE + 1n))],
    ['a poll of a new timeline', () => cache.advanced(at(FIRST + 9n, TIMELINE + 1n), [])],
  ])('is nothing after %s', (_name, happen) => {
    cache.offer(copy('A', 3n, FIRST + 7n));
    happen();
    expect(cache.size).toBe(0);
    // The deposed primary makes beats for a while, of its own timeline.
    cache.offer(copy('A', 9n, FIRST + 1_000n));
    cache.offer(copy('A', 9n, NEXT + 1n));
    expect(cache.size).toBe(0);
    cache.offer(copy('A', 3n, NEXT + 2n));
    cache.refresh(copy('A', 9n, FIRST + 1_000n));
    expect(versionOf('A')).toBe(3n);
  });

  test("is nothing after a change that a new primary shows with the old one's beat, before it makes its own", () => {
    cache.advanced(at(FIRST + 9n, TIMELINE + 1n), [change('A', 4)]);
    // A replica may have taken in the first beat, and not yet the change.
    for (const asOf of [NEXT, NEXT + 1n]) {
      expect(cache.accepts(copy('A', 3n, asOf))).toBe(false);
      expect(cache.accepts(copy('A', 4n, asOf))).toBe(true);
    }
    expect(cache.accepts(copy('A', 3n, NEXT + 2n))).toBe(true);
  });

  test('is nothing after a restart on the same timeline', () => {
    cache.offer(copy('A', 3n, FIRST + 7n));
    cache.restarted(at(FIRST + 20n));
    cache.offer(copy('A', 3n, FIRST + 21n));
    expect(cache.size).toBe(0);
  });
});

test('the age is that of the watermark at the moment in which it is asked', () => {
  const now = jest.spyOn(performance, 'now');
  now.mockReturnValue(10_000);
  cache.advanced(at(FIRST + 9n, TIMELINE, 9_800), []);
  expect(cache.ageMs).toBe(200);
  now.mockReturnValue(15_000);
  expect(cache.ageMs).toBe(5_200);
  cache.advanced({ ...at(FIRST + 9n), watermarkMs: undefined }, []);
  expect(cache.ageMs).toBe(Number.POSITIVE_INFINITY);
  now.mockRestore();
});

test('with no room nothing is kept, and copies are judged all the same', () => {
  const none = new LocalCache(0);
  none.restarted(at(FIRST + 5n));
  none.offer(copy('A', 1n, FIRST + 7n));
  none.refresh(copy('A', 1n, FIRST + 7n));
  none.advanced(at(FIRST + 9n), [change('A', 2)]);
  expect([none.size, none.get('S\0A')]).toEqual([0, undefined]);
  expect(none.accepts(copy('A', 2n, FIRST))).toBe(true);
  expect(none.accepts(copy('A', 1n, FIRST + 10n))).toBe(false);
});
