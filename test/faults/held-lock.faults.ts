import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import type { TestDatabase } from '../../src/dev/test-database.js';
import { audit } from '../load/audit.js';
import { monotonicMs, type RecordedCall } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import type { ServiceProcess } from '../service-process.js';
import {
  expectInTime,
  failuresByReason,
  firstAcceptedAfterMs,
  type Interval,
  note,
  p50Ms,
  p99Ms,
  succeeded,
  type TimeBound,
  triesSentIn,
} from './findings.js';
import { Stage } from './stage.js';

const HELD_MS = 10_000;
const DEADLINE_MS = 2_000;
/** What the callers of other stocks may notice of it: the ledger waits once for the lock, then lets them pass. */
const OTHERS_SLOWER_MS = 1_000;
/** Errors that say: nothing is wrong with your command, try it again. Without a reason it is the caller's own clock. */
const RETRYABLE = /^(UNAVAILABLE DATABASE_UNAVAILABLE|DEADLINE_EXCEEDED (DEADLINE_EXCEEDED)?)$/;

/** The rest are those whose own clock was quicker, which happens on a busy machine. */
const CLEARLY_ANSWERED = 0.75;

const HOT = { storePrefix: 'hot', stores: 1, products: 1 };
const OTHERS = { storePrefix: 'store', stores: 2, products: 50 };

const PLAN: Omit<LoadPlan, 'seed' | 'addresses' | 'load' | 'stocks'> = {
  connections: 2,
  mix: { Sell: 1, Restock: 1 },
  deadlineMs: DEADLINE_MS,
  seconds: 120,
};

const stage = new Stage();
let database: TestDatabase;
let service: ServiceProcess;

beforeEach(async () => {
  database = await stage.database();
  await openStocks(database.url, HOT, 1_000);
  await openStocks(database.url, OTHERS, 1_000);
  service = await stage.service({ databaseUrl: database.url });
});

afterEach(() => stage.clear());

test('a hot stock that somebody keeps locked for 10 s holds up its own callers only', async () => {
  const journal: RecordedCall[] = [];
  await expectInTime(async (attempt) => {
    const common = { ...PLAN, addresses: [service.grpcAddress] };
    const hot = stage.load({ ...common, seed: `hot-${attempt}`, stocks: HOT, load: { perSecond: 40 } });
    const others = stage.load({
      ...common,
      seed: `others-${attempt}`,
      stocks: OTHERS,
      load: { perSecond: 200 },
    });
    await Promise.all([hot.untilAcceptedMore(100, 30_000), others.untilAcceptedMore(800, 30_000)]);
    const held = await holdHotStock();
    await Promise.all([hot.untilAcceptedMore(40, 10_000), others.untilAcceptedMore(100, 10_000)]);
    const [hotCalls, otherCalls] = [await hot.stop(), await others.stop()];
    journal.push(...hotCalls, ...otherCalls);
    return [...judgeCallers(hotCalls, held), ...judgeOthers(otherCalls, held)];
  });
  expect(await audit(database.url, journal)).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 240_000);

/** Locks the hot stock as the service does, for a while. */
const holdHotStock = (): Promise<Interval> =>
  withConnection(database.url, async (client) => {
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

function judgeCallers(calls: readonly RecordedCall[], held: Interval): TimeBound[] {
  // Those that are sent in the last moments may wait until the lock is gone.
  const stuck = triesSentIn(calls, { fromMs: held.fromMs, toMs: held.toMs - DEADLINE_MS });
  const failures = failuresByReason(stuck);
  note(`its own callers: p50 ${p50Ms(stuck)} ms until ${JSON.stringify(failures)}`);
  expect(stuck.length).toBeGreaterThan(200);
  expect(stuck.filter(succeeded)).toEqual([]);
  expect(Object.keys(failures).filter((failure) => !RETRYABLE.test(failure))).toEqual([]);
  const clear = stuck.filter(({ failure }) => failure?.reason !== '').length / stuck.length;
  const againMs = Math.round(firstAcceptedAfterMs(calls, held.toMs));
  return [
    {
      what: `${Math.round(clear * 100)} % got the service's own answer by their deadline`,
      kept: clear >= CLEARLY_ANSWERED,
    },
    { what: `the stock was sold again ${againMs} ms after`, kept: againMs <= 2_000 },
  ];
}

function judgeOthers(calls: readonly RecordedCall[], held: Interval): TimeBound[] {
  const before = triesSentIn(calls, { fromMs: held.fromMs - 2_000, toMs: held.fromMs });
  const beside = triesSentIn(calls, held);
  const [was, is] = [p99Ms(before), p99Ms(beside)];
  note(
    `others: p50 ${p50Ms(before)}, p99 ${was} ms before; p50 ${p50Ms(beside)}, p99 ${is} ms while it was held`,
  );
  expect(beside.length).toBeGreaterThan(1_000);
  const failed = beside.length - beside.filter(succeeded).length;
  return [
    { what: `others' p99 went from ${was} to ${is} ms`, kept: is - was <= OTHERS_SLOWER_MS },
    {
      what: `${failed} of the others failed: ${JSON.stringify(failuresByReason(beside))}`,
      kept: failed === 0,
    },
  ];
}
