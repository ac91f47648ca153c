import { afterEach, expect, test } from '@jest/globals';
import { poll } from '../../src/dev/poll.js';
import { audit } from '../load/audit.js';
import { monotonicMs } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { firstAcceptedAfterMs, note } from './findings.js';
import { Stage } from './stage.js';

const PAUSES = 3;
const PAUSED_MS = 5_000;
/** idle_in_transaction_session_timeout, and what the other process may need to see it. */
const FREE_AGAIN_WITHIN_MS = 2_000;

const stage = new Stage();

afterEach(() => stage.clear());

const HOT = { storePrefix: 'hot', stores: 1, products: 1 };

const PLAN: Omit<LoadPlan, 'seed' | 'addresses'> = {
  connections: 2,
  load: { inFlight: 16 },
  stocks: HOT,
  mix: { Sell: 1, Restock: 1 },
  deadlineMs: 5_000,
  tries: 50,
  seconds: 180,
};

test('a service process that is stopped with hot stocks locked gives them up; nothing doubles when it goes on', async () => {
  const database = await stage.database();
  await openStocks(database.url, HOT, 10_000);
  const proxy = await stage.proxy(database.url);
  const paused = await stage.service({ databaseUrl: proxy.url(database.url) });
  const other = await stage.service({ databaseUrl: database.url });
  const pausedLoad = stage.load({ ...PLAN, seed: 'paused', addresses: [paused.grpcAddress] });
  const otherLoad = stage.load({ ...PLAN, seed: 'other', addresses: [other.grpcAddress] });

  const stoppedAt: number[] = [];
  for (let round = 1; round <= PAUSES; round++) {
    await Promise.all([pausedLoad.untilAcceptedMore(100, 30_000), otherLoad.untilAcceptedMore(100, 30_000)]);
    proxy.faults = {
      // BEGIN, the locks, the events, the clock: everything is locked, and nothing is written yet.
      onAnswer: ({ tags }) => {
        if (stoppedAt.length === round || tags.length !== 4 || !tags[1]?.startsWith('SELECT')) return 'pass';
        process.kill(paused.pid, 'SIGSTOP');
        stoppedAt.push(monotonicMs());
        return 'pass';
      },
    };
    const isOver = () => {
      const [atMs] = stoppedAt.slice(round - 1);
      return atMs !== undefined && monotonicMs() - atMs > PAUSED_MS ? true : undefined;
    };
    await poll(isOver, 30_000);
    process.kill(paused.pid, 'SIGCONT');
  }
  await Promise.all([pausedLoad.untilAcceptedMore(100, 30_000), otherLoad.untilAcceptedMore(100, 30_000)]);
  const [pausedCalls, otherCalls] = [await pausedLoad.stop(), await otherLoad.stop()];

  expect(stoppedAt).toHaveLength(PAUSES);
  const freeAgain = stoppedAt.map((atMs) => Math.round(firstAcceptedAfterMs(otherCalls, atMs + 200) + 200));
  note(`the other process got the hot stocks ${freeAgain.join(', ')} ms after the stop`);
  expect(Math.max(...freeAgain)).toBeLessThanOrEqual(FREE_AGAIN_WITHIN_MS);
  const result = await audit(database.url, [...pausedCalls, ...otherCalls]);
  expect(result).toMatchObject({ problems: [], unknown: 0 });
  await stage.expectServicesAlive();
}, 180_000);
