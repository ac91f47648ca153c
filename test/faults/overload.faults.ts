import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import type { TestDatabase } from '../../src/dev/test-database.js';
import { audit } from '../load/audit.js';
import type { RecordedCall } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import type { ServiceProcess } from '../service-process.js';
import {
  expectInTime,
  failuresByReason,
  type Interval,
  note,
  p50Ms,
  p99Ms,
  succeeded,
  type TimeBound,
  triesSentIn,
} from './findings.js';
import { Stage } from './stage.js';

const PEAK_SECONDS = 10;
const OVERLOAD_SECONDS = 20;
const OVERLOAD = 3;
const RECOVERY_MS = 5_000;
const REFUSED_WITHIN_MS = 50;

/**
 * A database that is slow, and small transactions: less than the machine could do, so that neither the client beside the
 * service nor the processor is what cannot keep up.
 */
const SLOW_DATABASE = `
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$;
  CREATE TRIGGER slow AFTER INSERT ON event_log FOR EACH STATEMENT EXECUTE FUNCTION slow()`;
const SMALL_TRANSACTIONS = { ONHAND_LANES: '1', ONHAND_LANE_BATCH_LIMIT: '4' };

const PLAN: Omit<LoadPlan, 'seed' | 'addresses' | 'load' | 'seconds'> = {
  connections: 30,
  stocks: { storePrefix: 'store', stores: 4, products: 100 },
  mix: { Sell: 1, Restock: 1 },
  deadlineMs: 2_000,
};

const stage = new Stage();
let database: TestDatabase;
let service: ServiceProcess;

beforeEach(async () => {
  database = await stage.database();
  await openStocks(database.url, PLAN.stocks, 100_000);
  await withConnection(database.url, (client) => client.query(SLOW_DATABASE));
  service = await stage.service({ databaseUrl: database.url, environment: SMALL_TRANSACTIONS });
});

afterEach(() => stage.clear());

test('three times as much as the service can do costs little of what it does, and nothing afterwards', async () => {
  const journal: RecordedCall[] = [];
  const run = async (seed: string, load: LoadPlan['load'], seconds: number) => {
    const calls = await stage.load({ ...PLAN, seed, addresses: [service.grpcAddress], load, seconds }).end();
    journal.push(...calls);
    return calls;
  };
  await expectInTime(async (attempt) => {
    const peak = await run(`peak-${attempt}`, { inFlight: 32 }, PEAK_SECONDS);
    const capacity = donePerSecond(peak);
    const over = await run(`over-${attempt}`, { perSecond: OVERLOAD * capacity }, OVERLOAD_SECONDS);
    const after = await run(`after-${attempt}`, { perSecond: capacity / 2 }, (2 * RECOVERY_MS) / 1000);
    return [...judgeOverload(over, capacity), ...judgeRecovery(after, peak)];
  });
  expect(await audit(database.url, journal)).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 240_000);

function sendingTime(calls: readonly RecordedCall[]): Interval {
  const sent = calls.map(({ tries }) => tries[0]!.sentMs);
  return { fromMs: sent[0]!, toMs: sent.at(-1)! };
}

const perSecond = (count: number, { fromMs, toMs }: Interval): number => (count / (toMs - fromMs)) * 1000;

/** Calls that were decided while more were sent. */
function donePerSecond(calls: readonly RecordedCall[]): number {
  const time = sendingTime(calls);
  const done = calls
    .flatMap(({ tries }) => tries)
    .filter((one) => succeeded(one) && one.endedMs !== undefined && one.endedMs < time.toMs);
  return perSecond(done.length, time);
}

function judgeOverload(calls: readonly RecordedCall[], capacity: number): TimeBound[] {
  const offered = perSecond(calls.length, sendingTime(calls));
  const done = donePerSecond(calls);
  const tries = calls.flatMap((call) => call.tries);
  const refused = tries.filter(({ failure }) => failure?.reason === 'QUEUE_FULL');
  note(
    `${Math.round(capacity)} /s can be done; of ${Math.round(offered)} /s ${Math.round(done)} /s are; ` +
      `refused after p50 ${p50Ms(refused)}, p99 ${p99Ms(refused)} ms; ${JSON.stringify(failuresByReason(tries))}`,
  );
  return [
    { what: `${refused.length} of ${calls.length} refused`, kept: refused.length > calls.length / 3 },
    {
      what: `offered ${(offered / capacity).toFixed(1)} times as much`,
      kept: offered > 0.9 * OVERLOAD * capacity,
    },
    { what: `${Math.round((100 * done) / capacity)} % of the peak`, kept: done >= 0.8 * capacity },
    { what: `refusals took ${p50Ms(refused)} ms`, kept: p50Ms(refused) < REFUSED_WITHIN_MS },
  ];
}

/** Half of what can be done, right after the overload: it starts while the service still has what was left of that. */
function judgeRecovery(calls: readonly RecordedCall[], peak: readonly RecordedCall[]): TimeBound[] {
  const { fromMs, toMs } = sendingTime(calls);
  const settled = triesSentIn(calls, { fromMs: fromMs + RECOVERY_MS, toMs });
  const usual = p99Ms(triesSentIn(peak, sendingTime(peak)));
  const failures = failuresByReason(settled);
  note(`5 s after: p99 ${p99Ms(settled)} ms of ${settled.length}; at the peak it was ${usual} ms`);
  expect(settled.length).toBeGreaterThan(100);
  return [
    { what: `5 s after: ${JSON.stringify(failures)}`, kept: Object.keys(failures).length === 0 },
    { what: `5 s after: p99 ${p99Ms(settled)} ms`, kept: p99Ms(settled) <= 2 * usual },
  ];
}
