import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { connect, type Onhand } from '@onhand/client';
import { OnlineSales } from '../../bench/stores/online-sales.js';
import { StoreFleet } from '../../bench/stores/store-fleet.js';
import { SeededRandom } from '../feed/seeded-random.js';
import { LastingService } from '../lasting-service.js';
import { auditStocks } from '../store-audit.js';
import { until } from '../until.js';
import { note } from './findings.js';
import { Stage } from './stage.js';
import { countsAmong, expectEachOnce } from './store-files.js';

const STORES = 20;
/** Of each store: the real sales of 60 s and some more. */
const PER_SECOND = 60;
const CUTTING_MS = 60_000;
const SERVICE_KILLS = 2;
const STORE_KILLS = 5;
const LEAST_CUTS = 5;
const ONLINE_PER_SECOND = 30;
/** From the last cut until everything is where it belongs: the largest share takes 90 s by itself. */
const CONVERGENCE_MS = 240_000;
const SEED = 20_260;

const stage = new Stage();

afterEach(() => stage.clear());

interface Scene {
  readonly databaseUrl: string;
  readonly service: LastingService;
  readonly fleet: StoreFleet;
  readonly onhand: Onhand;
}

async function setUp(): Promise<Scene> {
  const { url: databaseUrl } = await stage.database();
  const service = stage.keep(await LastingService.start(databaseUrl), (one) => one.kill9());
  const folder = stage.keep(mkdtempSync(join(tmpdir(), 'onhand-stores-')), async (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const address = service.grpcAddress;
  const work = { perSecond: PER_SECOND, limit: Number.MAX_SAFE_INTEGER };
  const plan = { address, stores: STORES, prefix: 'STORE_', folder, seed: SEED, ...work };
  const fleet = stage.keep(await StoreFleet.start(plan), (one) => one.stop());
  const onhand = stage.keep(connect(address, { deadlineMs: 30_000, limit: false }), async (one) =>
    one.close(),
  );
  return { databaseUrl, service, fleet, onhand };
}

/** While the lines are cut: kills the service and stores in turn, each only while load flows. */
async function killInTurn({ service, databaseUrl, fleet }: Scene, random: SeededRandom): Promise<void> {
  const startedMs = performance.now();
  const kills = [...Array(SERVICE_KILLS).fill('service'), ...Array(STORE_KILLS).fill('store')].sort(
    () => random.next() - 0.5,
  );
  for (const [index, kind] of kills.entries()) {
    await pause(Math.max(0, startedMs + (CUTTING_MS * (index + 1)) / (kills.length + 1) - performance.now()));
    const before = fleet.acknowledged;
    await until(async () => fleet.acknowledged > before + 50, 'INVALID: no load flows before a kill', 30_000);
    if (kind === 'store') await random.pick(fleet.stores).process.kill9();
    else {
      await service.kill9();
      await service.startAgain(databaseUrl);
    }
  }
  await pause(Math.max(0, startedMs + CUTTING_MS - performance.now()));
}

test('20 stores with the real sales, lines cut at random, service and stores killed: each operation once, all agree', async () => {
  const scene = await setUp();
  const { fleet, onhand, databaseUrl } = scene;
  const random = new SeededRandom(SEED);
  const online = stage.keep(new OnlineSales(onhand, fleet.storeIds, random, ONLINE_PER_SECOND), async (one) =>
    one.stop(),
  );
  await until(async () => fleet.acknowledged > 0, 'INVALID: no load flows', 60_000);
  fleet.beginCuts();
  await killInTurn(scene, random);
  fleet.settleLines();
  await online.stop();
  const cuts = fleet.stores.map(({ line }) => line.cuts);
  expect(`INVALID unless each line was cut ${LEAST_CUTS} times: ${Math.min(...cuts) >= LEAST_CUTS}`).toMatch(
    /true$/,
  );
  expect(fleet.stores.reduce((sum, { process }) => sum + process.kills, 0)).toBe(STORE_KILLS);
  expect(online.counts.done).toBeGreaterThan(200);

  const settledMs = performance.now();
  await until(async () => fleet.areDone, `stores are not done: ${fleet.failures}`, CONVERGENCE_MS);
  await until(
    async () => (await fleet.differences(onhand)).length === 0,
    'stores and service do not agree',
    30_000,
  );
  const tookMs = performance.now() - settledMs;
  const operations = await expectEachOnce(databaseUrl, fleet.files);
  expect(fleet.failures).toEqual([]);
  const { absorbed, counts } = await countsAmong(databaseUrl);
  expect(`INVALID without counts and sales that they absorb: ${Math.min(absorbed, counts) > 0}`).toMatch(
    /true$/,
  );
  const stocks = await auditStocks(databaseUrl);
  expect(stocks.filter(({ net, deltas, version, changes }) => net !== deltas || version !== changes)).toEqual(
    [],
  );
  note(
    `${operations} operations of ${STORES} stores, online ${JSON.stringify(online.counts)}; ${Math.min(...cuts)} to ${Math.max(...cuts)} cuts a line; ` +
      `${counts} counts, ${absorbed} operations absorbed; ${stocks.length} stocks agree ${Math.round(tookMs / 1_000)} s after the last cut`,
  );
}, 600_000);
