import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ConcurrencyLimit, refusedHere } from './concurrency-limit.js';
import { OnhandError } from './onhand-error.js';

const DEADLINE_MS = 2_000;

const failure = (reason: OnhandError['reason'], code: status, retryDelayMs = 0) =>
  new OnhandError({ reason, code, message: '', retryDelayMs });
const full = (retryDelayMs = 0) => failure('QUEUE_FULL', status.RESOURCE_EXHAUSTED, retryDelayMs);

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

/** A limit that is at `current`, with `sent` calls under way. */
function limitWith(current: number, sent: number, max = 5 * current): ConcurrencyLimit {
  const limit = new ConcurrencyLimit(max);
  expect(limit.current).toBe(current);
  for (let call = 0; call < sent; call++) expect(limit.enter(DEADLINE_MS)).toBe(true);
  return limit;
}

/** Each call's fate as soon as it has one. */
function enterMany(
  limit: ConcurrencyLimit,
  calls: number,
  deadlineMs = DEADLINE_MS,
): (boolean | undefined)[] {
  const fates = Array.from<boolean | undefined>({ length: calls });
  fates.forEach((_, call) => {
    void Promise.resolve(limit.enter(deadlineMs)).then((fate) => {
      fates[call] = fate;
    });
  });
  return fates;
}

describe('how many may be under way', () => {
  test('as many as there is room for at first; one that ends lets the first of the line in', async () => {
    const limit = limitWith(3, 3);
    const fates = enterMany(limit, 2);
    limit.leave(performance.now(), DEADLINE_MS, undefined);
    await jest.advanceTimersByTimeAsync(0);
    expect(fates).toEqual([true, undefined]);
  });

  test.each([
    ['QUEUE_FULL', status.RESOURCE_EXHAUSTED, 70],
    ['RATE_LIMITED', status.RESOURCE_EXHAUSTED, 70],
    ['UNRECOGNIZED', status.RESOURCE_EXHAUSTED, 70],
    ['MESSAGE_TOO_LARGE', status.RESOURCE_EXHAUSTED, 100],
    ['INSUFFICIENT_STOCK', status.FAILED_PRECONDITION, 100],
    ['DATABASE_UNAVAILABLE', status.UNAVAILABLE, 100],
  ] as const)('%s (%s) makes 100 %i', (reason, code, left) => {
    const limit = limitWith(100, 1);
    limit.leave(performance.now(), DEADLINE_MS, failure(reason, code));
    expect(limit.current).toBe(left);
  });

  test.each([
    [2_000, 501, 70],
    [2_000, 500, 100],
    // A caller that leaves nobody any time says nothing about the service.
    [20, 100, 100],
    [20, 101, 70],
  ])('of %i ms an answer took %i: 100 becomes %i', (deadlineMs, tookMs, left) => {
    const limit = limitWith(100, 1);
    const sentAtMs = performance.now();
    jest.advanceTimersByTime(tookMs);
    limit.leave(sentAtMs, deadlineMs, undefined);
    expect(limit.current).toBe(left);
  });

  test('it falls once for all calls that were sent before, and again for later ones, never below 1', () => {
    const limit = limitWith(100, 2);
    const sentAtMs = performance.now();
    jest.advanceTimersByTime(1);
    limit.leave(sentAtMs, DEADLINE_MS, full());
    limit.leave(sentAtMs, DEADLINE_MS, full());
    expect(limit.current).toBe(70);
    for (let call = 0; call < 30; call++) {
      jest.advanceTimersByTime(1_000);
      expect(limit.enter(DEADLINE_MS)).toBe(true);
      limit.leave(performance.now(), DEADLINE_MS, full());
    }
    expect(limit.current).toBe(1);
  });

  test('it grows by its square root with the answers of as many calls, to its bound, where it is made use of', () => {
    const limit = new ConcurrencyLimit(100);
    const sizes: number[] = [];
    for (let round = 0; round < 40; round++) {
      sizes.push(limit.current);
      for (let call = 0; call < sizes[round]!; call++) expect(limit.enter(DEADLINE_MS)).toBe(true);
      for (let call = 0; call < sizes[round]!; call++) limit.leave(performance.now(), DEADLINE_MS, undefined);
    }
    expect(sizes[0]).toBe(20);
    expect(sizes.at(-1)).toBe(100);
    // By one each time it would take 80 rounds, by doubling 3.
    const rounds = sizes.indexOf(100);
    expect(rounds).toBeGreaterThan(8);
    expect(rounds).toBeLessThan(40);
  });

  test('who is alone makes no use of it', () => {
    const limit = limitWith(100, 2);
    const sentAtMs = performance.now();
    limit.leave(sentAtMs, DEADLINE_MS, full());
    for (let call = 0; call < 1_000; call++) {
      expect(limit.enter(DEADLINE_MS)).toBe(true);
      limit.leave(performance.now(), DEADLINE_MS, undefined);
    }
    expect(limit.current).toBe(70);
  });

  test.each([
    ['as the service asks for', 300, 300],
    ['at least 100 ms', 0, 100],
    ['at most a second', 60_000, 1_000],
  ])('the place of a refused call stays taken %s', async (_, retryDelayMs, takenMs) => {
    const limit = limitWith(1, 1);
    const fates = enterMany(limit, 1, 10_000);
    limit.leave(performance.now(), 10_000, full(retryDelayMs));
    await jest.advanceTimersByTimeAsync(takenMs - 1);
    expect(fates).toEqual([undefined]);
    await jest.advanceTimersByTimeAsync(1);
    expect(fates).toEqual([true]);
  });
});

describe('the line', () => {
  test('a burst waits for half of its deadline', async () => {
    const limit = limitWith(1, 1);
    const fates = enterMany(limit, 2);
    await jest.advanceTimersByTimeAsync(DEADLINE_MS / 2 - 1);
    expect(fates).toEqual([undefined, undefined]);
    await jest.advanceTimersByTimeAsync(1);
    expect(fates).toEqual([false, false]);
  });

  test('while others have waited in vain, a call waits 20 ms', async () => {
    const limit = limitWith(1, 1);
    enterMany(limit, 1);
    await jest.advanceTimersByTimeAsync(DEADLINE_MS / 2);
    const fates = enterMany(limit, 1);
    await jest.advanceTimersByTimeAsync(19);
    expect(fates).toEqual([undefined]);
    await jest.advanceTimersByTimeAsync(1);
    expect(fates).toEqual([false]);
  });

  test('once nobody has waited in vain for half a deadline, a call waits as long again', async () => {
    const limit = limitWith(1, 1);
    enterMany(limit, 1);
    await jest.advanceTimersByTimeAsync(DEADLINE_MS);
    const fates = enterMany(limit, 1);
    await jest.advanceTimersByTimeAsync(DEADLINE_MS / 2 - 1);
    expect(fates).toEqual([undefined]);
  });

  test('who gives up leaves it, and the place of who gives up is free', async () => {
    const limit = limitWith(1, 1);
    const ending = new AbortController();
    const waiting = limit.enter(DEADLINE_MS, ending.signal);
    const fates = enterMany(limit, 1);
    ending.abort();
    expect(await waiting).toBe(false);
    limit.leaveUnanswered();
    await jest.advanceTimersByTimeAsync(0);
    expect(fates).toEqual([true]);
    expect(limit.current).toBe(1);
  });
});

test('a refusal of its own is the typed error of a full queue, and says that it is local', () => {
  expect(refusedHere()).toMatchObject({ reason: 'QUEUE_FULL', codeName: 'RESOURCE_EXHAUSTED', local: true });
});

test.each([0, 0.5, Number.NaN])('a bound of %d is refused', (max) => {
  expect(() => new ConcurrencyLimit(max)).toThrow(RangeError);
});
