import { afterEach, expect, test } from '@jest/globals';
import { audit } from '../load/audit.js';
import type { RecordedCall } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import {
  failuresByReason,
  type Interval,
  latenciesMs,
  note,
  p50Ms,
  p99Ms,
  succeeded,
  triesSentIn,
} from './findings.js';
import { Stage } from './stage.js';

const PEAK_SECONDS = 10;
const OVERLOAD_SECONDS = 20;
const OVERLOAD = 3;
const NORMAL_SHARE = 0.5;
const RECOVERY_MS = 5_000;
const DEADLINE_MS = 2_000;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'seed' | 'addresses' | 'load' | 'seconds'> = {
  connections: 30,
  stocks: { storePrefix: 'store', stores: 4, products: 100 },
  mix: { Sell: 1, Restock: 1 },
  deadlineMs: DEADLINE_MS,
};

/** Less than the machine could do, so that the client on the same machine can send three times as much. */
const SMALL = { ONHAND_LANES: '1', ONHAND_LANE_BATCH_LIMIT: '4', ONHAND_LANE_QUEUE_LIMIT: '100' };

/** Calls that were answered with a decision, each second. */
function goodput(calls: readonly RecordedCall[], { fromMs, toMs }: Interval): number {
  const answered = calls
    .flatMap(({ tries }) => tries)
    .filter((one) => succeeded(one) && one.endedMs! >= fromMs && one.endedMs! < toMs);
  return (answered.length / (toMs - fromMs)) * 1000;
}

function timesOf(calls: readonly RecordedCall[]): Interval {
  const sent = calls.map(({ tries }) => tries[0]!.sentMs);
  return { fromMs: sent[0]!, toMs: sent.at(-1)! };
}

test('three times as much as the service can do costs little of what it does, and nothing afterwards', async () => {
  const database = await stage.database();
  await openStocks(database.url, PLAN.stocks, 100_000);
  const { grpcAddress } = await stage.service({ databaseUrl: database.url, environment: SMALL });
  const run = (seed: string, load: LoadPlan['load'], seconds: number) =>
    stage.load({ ...PLAN, seed, addresses: [grpcAddress], load, seconds }).end();

  const peakCalls = await run('peak', { inFlight: 64 }, PEAK_SECONDS);
  const peak = goodput(peakCalls, timesOf(peakCalls));
  const overCalls = await run('over', { perSecond: OVERLOAD * peak }, OVERLOAD_SECONDS);
  const normalCalls = await run('normal', { perSecond: NORMAL_SHARE * peak }, 2 * (RECOVERY_MS / 1000));

  const over = timesOf(overCalls);
  const offered = (overCalls.length / (over.toMs - over.fromMs)) * 1000;
  const overTries = triesSentIn(overCalls, over);
  const refused = overTries.filter(({ failure }) => failure?.reason === 'QUEUE_FULL');
  const done = goodput(overCalls, over);
  note(`peak ${Math.round(peak)} /s; offered ${Math.round(offered)} /s: ${Math.round(done)} /s done`);
  note(
    `refusals: p50 ${p50Ms(refused)} ms, p99 ${p99Ms(refused)} ms; ${JSON.stringify(failuresByReason(overTries))}`,
  );
  const normal = timesOf(normalCalls);
  const settled = triesSentIn(normalCalls, { ...normal, fromMs: normal.fromMs + RECOVERY_MS });
  note(
    `5 s after: p99 ${p99Ms(settled)} ms of ${settled.length}, ${JSON.stringify(failuresByReason(settled))}`,
  );

  expect(offered / peak).toBeGreaterThanOrEqual(0.9 * OVERLOAD);
  expect(done / peak).toBeGreaterThanOrEqual(0.8);
  expect(refused.length).toBeGreaterThan(1_000);
  expect(p50Ms(refused)).toBeLessThan(50);
  expect(failuresByReason(settled)).toEqual({});
  expect(p99Ms(settled)).toBeLessThanOrEqual(
    2 * Math.max(100, p99Ms(triesSentIn(peakCalls, timesOf(peakCalls)))),
  );
  expect(latenciesMs(settled).length).toBeGreaterThan(100);
  const calls = [...peakCalls, ...overCalls, ...normalCalls];
  expect(await audit(database.url, calls)).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 180_000);
