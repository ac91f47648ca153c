import { afterEach, expect, test } from '@jest/globals';
import { audit } from '../load/audit.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { startService } from '../service-process.js';
import { failuresByReason, note } from './findings.js';
import { Stage } from './stage.js';
import { TcpBalancer } from './tcp-balancer.js';

const PROCESSES = 3;
const STOPS_WITHIN_MS = 20_000;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'addresses'> = {
  seed: 'rolling',
  connections: 6,
  load: { inFlight: 48 },
  stocks: { storePrefix: 'store', stores: 3, products: 20 },
  mix: { Sell: 4, Restock: 2, Get: 4, ApplyAtomic: 1 },
  batchSize: 10,
  deadlineMs: 10_000,
  tries: 2,
  seconds: 240,
};

test('three processes behind a balancer, stopped and started one by one under load, fail no call that is tried twice', async () => {
  const database = await stage.database();
  await openStocks(database.url, PLAN.stocks, 1_000);
  const start = (grpcPort = '0') =>
    startService({ databaseUrl: database.url, environment: { ONHAND_GRPC_PORT: grpcPort } });
  const services = await Promise.all(Array.from({ length: PROCESSES }, () => start()));
  stage.keep(services, (all) => Promise.all(all.map((service) => service.kill9())));
  const addresses = services.map(({ grpcAddress }) => grpcAddress);
  const balancer = stage.keep(await TcpBalancer.start(addresses), (one) => one.stop());
  const load = stage.load({ ...PLAN, addresses: [balancer.address] });

  for (const [index, address] of addresses.entries()) {
    await load.untilAcceptedMore(500, 60_000);
    const before = balancer.connections;
    const stoppedMs = performance.now();
    expect(await services[index]!.stop()).toBe(0);
    expect(performance.now() - stoppedMs).toBeLessThan(STOPS_WITHIN_MS);
    await load.untilAcceptedMore(300, 60_000);
    // Its callers are elsewhere now, so it had some.
    expect(balancer.connections).toBeGreaterThan(before);
    services[index] = await start(address.split(':')[1]);
  }
  await load.untilAcceptedMore(500, 60_000);
  const calls = await load.stop();

  const failed = calls.filter(({ tries }) => tries.at(-1)?.results === undefined);
  const failures = failuresByReason(calls.flatMap(({ tries }) => tries));
  note(`${calls.length} calls; tries that failed: ${JSON.stringify(failures)}`);
  expect(failuresByReason(failed.flatMap(({ tries }) => tries))).toEqual({});
  expect(await audit(database.url, calls)).toMatchObject({ problems: [], unknown: 0 });
}, 240_000);
