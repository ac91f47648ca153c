import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import { audit } from '../load/audit.js';
import { monotonicMs } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import {
  failuresByReason,
  firstAcceptedAfterMs,
  note,
  p50Ms,
  p99Ms,
  succeeded,
  triesSentIn,
} from './findings.js';
import { Stage } from './stage.js';

const HELD_MS = 10_000;
const DEADLINE_MS = 2_000;
/** What the callers of other stocks may notice of it. */
const OTHERS_P99_MS = 1_000;
/** Errors that say: nothing is wrong with your command, try it again. */
const RETRYABLE = /^(UNAVAILABLE DATABASE_UNAVAILABLE|DEADLINE_EXCEEDED DEADLINE_EXCEEDED)$/;

const stage = new Stage();

afterEach(() => stage.clear());

const HOT = { storePrefix: 'hot', stores: 1, products: 1 };
const OTHERS = { storePrefix: 'store', stores: 2, products: 50 };

const PLAN: Omit<LoadPlan, 'seed' | 'addresses' | 'load' | 'stocks'> = {
  connections: 2,
  mix: { Sell: 1, Restock: 1 },
  deadlineMs: DEADLINE_MS,
  seconds: 120,
};

/** Locks the hot stock as the service does, for a while. @returns when, on the journal's clock. */
const holdHotStock = (databaseUrl: string) =>
  withConnection(databaseUrl, async (client) => {
    await client.query('BEGIN');
    const { rowCount } = await client.query(
      `SELECT FROM stock WHERE (store_id, product_id) = ('hot-1', 'p-1') FOR NO KEY UPDATE`,
    );
    expect(rowCount).toBe(1);
    const fromMs = monotonicMs();
    await pause(HELD_MS);
    const toMs = monotonicMs();
    await client.query('ROLLBACK');
    return { fromMs, toMs };
  });

test('a hot stock that somebody keeps locked for 10 s holds up its own callers only', async () => {
  const database = await stage.database();
  await openStocks(database.url, HOT, 1_000);
  await openStocks(database.url, OTHERS, 1_000);
  const { grpcAddress } = await stage.service({ databaseUrl: database.url });
  const common = { ...PLAN, addresses: [grpcAddress] };
  const hot = stage.load({ ...common, seed: 'hot', stocks: HOT, load: { perSecond: 40 } });
  const others = stage.load({ ...common, seed: 'others', stocks: OTHERS, load: { perSecond: 300 } });
  await Promise.all([hot.untilAcceptedMore(100, 30_000), others.untilAcceptedMore(500, 30_000)]);
  const held = await holdHotStock(database.url);
  await Promise.all([hot.untilAcceptedMore(40, 10_000), others.untilAcceptedMore(100, 10_000)]);
  const [hotCalls, otherCalls] = [await hot.stop(), await others.stop()];

  // Those that are sent in the last moments may wait until the lock is gone.
  const stuck = triesSentIn(hotCalls, { fromMs: held.fromMs, toMs: held.toMs - DEADLINE_MS });
  const beside = triesSentIn(otherCalls, held);
  note(`others, while it was held: p50 ${p50Ms(beside)} ms, p99 ${p99Ms(beside)} ms of ${beside.length}`);
  note(`its own callers: p99 ${p99Ms(stuck)} ms until ${JSON.stringify(failuresByReason(stuck))}`);
  expect(stuck.length).toBeGreaterThan(200);
  expect(stuck.filter(succeeded)).toEqual([]);
  expect(Object.keys(failuresByReason(stuck)).filter((failure) => !RETRYABLE.test(failure))).toEqual([]);
  expect(p99Ms(stuck)).toBeLessThanOrEqual(DEADLINE_MS);
  expect(beside.length).toBeGreaterThan(2_000);
  expect(failuresByReason(beside)).toEqual({});
  expect(p99Ms(beside)).toBeLessThanOrEqual(OTHERS_P99_MS);
  expect(firstAcceptedAfterMs(hotCalls, held.toMs)).toBeLessThanOrEqual(2_000);
  expect(await audit(database.url, [...hotCalls, ...otherCalls])).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 120_000);
