import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { ConcurrencyLimit } from './concurrency-limit.js';
import { OnhandError } from './onhand-error.js';

/** Clients that ask more of a simulated service than it can do, in simulated time. */

const DEADLINE_MS = 2_000;
const SERVICE_MS = 2;
/** What it costs the service to find that a caller has given up. */
const GIVEN_UP_MS = 0.6;
const PEAK_PER_SECOND = 1_000 / SERVICE_MS;
beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

const late = () =>
  new OnhandError({ reason: 'DEADLINE_EXCEEDED', code: status.DEADLINE_EXCEEDED, message: '' });

interface Call {
  givenUp: boolean;
  readonly answered: () => void;
}

/** Works on one call at a time, first come, first served. */
class Service {
  readonly #calls: Call[] = [];
  #busy = false;

  /** @returns what the call failed with */
  call(leftMs: number): Promise<OnhandError | undefined> {
    return new Promise((resolve) => {
      const call = { givenUp: false, answered: () => resolve(undefined) };
      setTimeout(() => {
        call.givenUp = true;
        resolve(late());
      }, leftMs);
      this.#calls.push(call);
      this.#work();
    });
  }

  #work(): void {
    if (this.#busy) return;
    const call = this.#calls.shift();
    if (call === undefined) return;
    this.#busy = true;
    setTimeout(
      () => {
        this.#busy = false;
        call.answered();
        this.#work();
      },
      call.givenUp ? GIVEN_UP_MS : SERVICE_MS,
    );
  }
}

interface Outcome {
  done: number;
  readonly refusalsMs: number[];
}

async function sell(limit: ConcurrencyLimit | undefined, service: Service, outcome: Outcome): Promise<void> {
  const startedMs = performance.now();
  if (!((await limit?.enter(DEADLINE_MS)) ?? true)) {
    outcome.refusalsMs.push(performance.now() - startedMs);
    return;
  }
  const sentAtMs = performance.now();
  const leftMs = startedMs + DEADLINE_MS - sentAtMs;
  const error = await service.call(leftMs);
  limit?.leave(sentAtMs, leftMs, error);
  if (error === undefined) outcome.done++;
}

/** @returns what became of the calls of the second half of the time */
async function overload(
  limits: readonly (ConcurrencyLimit | undefined)[],
  times: number,
  seconds: number,
): Promise<Outcome> {
  const service = new Service();
  const learning = { done: 0, refusalsMs: [] };
  const outcome: Outcome = { done: 0, refusalsMs: [] };
  const total = times * PEAK_PER_SECOND * seconds;
  let sent = 0;
  const arrivals = setInterval(() => {
    for (let call = 0; call < times; call++, sent++)
      void sell(limits[sent % limits.length], service, 2 * sent < total ? learning : outcome);
  }, SERVICE_MS);
  await jest.advanceTimersByTimeAsync(1_000 * seconds);
  clearInterval(arrivals);
  await jest.advanceTimersByTimeAsync(DEADLINE_MS);
  return outcome;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

test('without a limit nothing is done in time', async () => {
  const { done } = await overload([undefined], 3, 8);
  expect(done / 4).toBeLessThan(0.01 * PEAK_PER_SECOND);
});

test.each([
  ['one client of 30 connections', 1, 3_000, 3],
  ['30 clients of one connection', 30, 100, 2],
  ['30 clients of one connection', 30, 100, 3],
  ['30 clients of one connection', 30, 100, 10],
  ['100 clients of one connection', 100, 100, 3],
])(
  '%s (%i limits of %i) ask for %i times what can be done: 95 % of it is, refusals take 20 ms',
  async (_, clients, max, times) => {
    const limits = Array.from({ length: clients }, () => new ConcurrencyLimit(max));
    const { done, refusalsMs } = await overload(limits, times, 20);
    expect(done / 10).toBeGreaterThan(0.95 * PEAK_PER_SECOND);
    expect(median(refusalsMs)).toBeLessThanOrEqual(20);
  },
);
