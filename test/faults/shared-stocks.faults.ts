import { afterEach, expect, test } from '@jest/globals';
import { audit } from '../load/audit.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { failuresByReason, note, p99Ms } from './findings.js';
import { Stage } from './stage.js';

const SECONDS = 60;
const PROCESSES = 3;

const stage = new Stage();

afterEach(() => stage.clear());

/** What a machine that is busy with other things may do to a caller, and what is gone at the next try. */
const BUSY = /^(RESOURCE_EXHAUSTED QUEUE_FULL|DEADLINE_EXCEEDED .*)$/;

/** Small stocks, so that sales are refused too. */
const STOCKS = { storePrefix: 'store', stores: 2, products: 25 };

const PLAN: Omit<LoadPlan, 'seed' | 'addresses'> = {
  connections: 2,
  load: { inFlight: 24 },
  stocks: STOCKS,
  mix: { Sell: 12, Restock: 6, ApplyAtomic: 1, ApplyIndependent: 1 },
  batchSize: 20,
  deadlineMs: 10_000,
  tries: 20,
  seconds: SECONDS,
};

test('three processes that change the same 50 stocks for a minute, one by one and in batches, stay right', async () => {
  const database = await stage.database();
  await openStocks(database.url, STOCKS, 20);
  const services = [];
  for (let process = 0; process < PROCESSES; process++)
    services.push(await stage.service({ databaseUrl: database.url }));
  const loads = services.map(({ grpcAddress }, index) =>
    stage.load({ ...PLAN, seed: `shared-${index}`, addresses: [grpcAddress] }),
  );
  const calls = (await Promise.all(loads.map((load) => load.end()))).flat();

  const tries = calls.flatMap((call) => call.tries);
  const batches = calls.filter(({ rpc }) => rpc.startsWith('Apply'));
  const result = await audit(database.url, calls);
  note(
    `${calls.length} calls, ${batches.length} of them batches, ${result.events} events, p99 ${p99Ms(tries)} ms`,
  );
  const refused = tries.filter(({ results }) => results?.some(({ accepted }) => !accepted)).length;
  expect(Math.min(...loads.map((load) => load.totals.accepted))).toBeGreaterThan(1_000);
  expect(refused).toBeGreaterThan(100);
  expect(batches.length).toBeGreaterThan(100);
  const failures = failuresByReason(tries);
  note(JSON.stringify(failures));
  expect(Object.keys(failures).filter((failure) => !BUSY.test(failure))).toEqual([]);
  expect(result).toMatchObject({ problems: [], unknown: 0 });
  await stage.expectServicesAlive();
}, 180_000);
