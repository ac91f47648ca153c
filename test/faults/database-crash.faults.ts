import { afterEach, expect, test } from '@jest/globals';
import { audit } from '../load/audit.js';
import { monotonicMs } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { failuresByReason, firstAcceptedAfterMs, note } from './findings.js';
import { Stage } from './stage.js';

const CRASHES = 3;
const DOWN_MS = 2_000;
const RECOVERED_WITHIN_MS = 5_000;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'seed' | 'addresses'> = {
  connections: 2,
  load: { inFlight: 32 },
  stocks: { storePrefix: 'store', stores: 3, products: 40 },
  mix: { Sell: 3, Restock: 1 },
  deadlineMs: 5_000,
  tries: 100,
  seconds: 240,
};

test('kill -9 of PostgreSQL under load loses nothing, and each service works again within 5 s of it', async () => {
  const servers = await stage.servers();
  await openStocks(servers.databaseUrl, PLAN.stocks, 1_000);
  const options = { databaseUrl: servers.databaseUrl, replicaUrls: [servers.replicaUrl] };
  const services = [await stage.service(options), await stage.service(options)];
  const loads = services.map(({ grpcAddress }, index) =>
    stage.load({ ...PLAN, seed: `crash-${index}`, addresses: [grpcAddress] }),
  );

  const restarts: number[] = [];
  for (let crash = 1; crash <= CRASHES; crash++) {
    await Promise.all(loads.map((load) => load.untilAcceptedMore(300, 30_000)));
    const failedBefore = loads.map((load) => load.totals.failedTries);
    const killedMs = performance.now();
    await servers.primary.kill9();
    await Promise.all(
      loads.map((load, index) =>
        load.until(
          ({ failedTries }) => failedTries > failedBefore[index]! && performance.now() - killedMs >= DOWN_MS,
          20_000,
        ),
      ),
    );
    await servers.restartPrimary();
    restarts.push(monotonicMs());
  }
  await Promise.all(loads.map((load) => load.untilAcceptedMore(300, 30_000)));

  const journals = await Promise.all(loads.map((load) => load.stop()));
  const recoveries = journals.flatMap((calls) => restarts.map((atMs) => firstAcceptedAfterMs(calls, atMs)));
  note(`accepted again after ${recoveries.map((ms) => `${Math.round(ms)} ms`).join(', ')}`);
  const calls = journals.flat();
  note(JSON.stringify(failuresByReason(calls.flatMap(({ tries }) => tries))));
  expect(Math.max(...recoveries)).toBeLessThanOrEqual(RECOVERED_WITHIN_MS);
  expect(await audit(servers.databaseUrl, calls)).toMatchObject({ problems: [], unknown: 0 });
  await stage.expectServicesAlive();
}, 300_000);
