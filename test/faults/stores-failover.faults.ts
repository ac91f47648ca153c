import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { connect, type Onhand } from '@onhand/client';
import { OnlineSales } from '../../bench/stores/online-sales.js';
import type { Deed } from '../../bench/stores/simulated-store.js';
import { StoreFleet } from '../../bench/stores/store-fleet.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { SeededRandom } from '../feed/seeded-random.js';
import { auditStocks, sumsUp } from '../store-audit.js';
import { type Running, restock, StoresInProcess, sale } from '../syncing-stores.js';
import { until } from '../until.js';
import { note } from './findings.js';
import type { ReplicatedServers } from './replicated-servers.js';
import { Stage } from './stage.js';
import { acknowledgedIn, expectEachOnce, type StoreFile } from './store-files.js';

const SEED = 20_270;
/** Stores in processes of their own that sell all the time: each so many deeds in all, for 25 s. */
const SELLING = { stores: 4, perSecond: 60, limit: 1_500 };
/** What each of them has acknowledged before the standbys are cut off, and after. */
const ACKNOWLEDGED = 100;
const ONLINE_PER_SECOND = 30;
const PATIENCE_MS = 120_000;

const stage = new Stage();

afterEach(() => stage.clear());

interface Scene {
  readonly servers: ReplicatedServers;
  readonly fleet: StoreFleet;
  readonly quiet: QuietStores;
  readonly onhand: Onhand;
  readonly online: OnlineSales;
}

async function setUp(): Promise<Scene> {
  const servers = await stage.replicated('ASYNCHRONOUS');
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const [one, other] = [
    await stage.service({ databaseUrl, replicaUrls }),
    await stage.service({ databaseUrl, replicaUrls }),
  ];
  const folder = stage.keep(mkdtempSync(join(tmpdir(), 'onhand-stores-')), async (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const plan = { address: one.grpcAddress, prefix: 'STORE_', folder, seed: SEED, ...SELLING };
  const fleet = stage.keep(await StoreFleet.start(plan), (each) => each.stop());
  const client = connect(other.grpcAddress, { deadlineMs: 30_000, limit: false });
  const onhand = stage.keep(client, async (each) => each.close());
  const quiet = new QuietStores(stage.keep(new StoresInProcess(onhand), (each) => each.stop()));
  const online = new OnlineSales(onhand, fleet.storeIds, new SeededRandom(SEED), ONLINE_PER_SECOND);
  return { servers, fleet, quiet, onhand, online: stage.keep(online, (each) => each.stop()) };
}

const count = (productId: string, quantity: number): Deed => ({ productId, type: 'COUNT', quantity });

/** Stores that do nothing more when the primary is lost, so that nothing which they send tells them of it. */
class QuietStores {
  readonly files: StoreFile[] = [];
  readonly running: Running[] = [];

  constructor(private readonly stores: StoresInProcess) {}

  /** A store with a first message, so that its log is known. */
  async open(): Promise<Running> {
    const file = this.stores.named();
    const one = await this.stores.run(file.storeId, file.path);
    this.files.push(file);
    this.running.push(one);
    await one.store.does(restock('A', 50), sale('A', 1));
    await this.stores.untilAgreed(one);
    return one;
  }

  /** What it has done is acknowledged, and its stocks are the service's. */
  async does(one: Running, ...deeds: readonly Deed[]): Promise<void> {
    await one.store.does(...deeds);
    await this.stores.untilAgreed(one);
  }

  /** A stock comes about that nobody but the service knows how. */
  async delivered(one: Running, productId: string): Promise<void> {
    await this.stores.onhand.restock({ storeId: one.store.storeId, productId, quantity: 5 });
    await this.stores.untilAgreed(one);
    expect(one.store.state.stocks).toHaveProperty(productId, 5);
  }

  async untilAgreed(): Promise<void> {
    for (const one of this.running) await this.stores.untilAgreed(one);
  }
}

/** All that the stores were told is durable, and that the new primary has recorded itself: it was lost and sent again. */
async function lostOf(
  { url, promotedAt }: { readonly url: string; readonly promotedAt: string },
  { storeId, ids }: { readonly storeId: string; readonly ids: readonly string[] },
): Promise<{ lost: number; counts: number }> {
  const { rows } = await withConnection(url, (client) =>
    client.query<{ lost: number; counts: number }>(
      `SELECT count(*)::int AS lost, (count(*) FILTER (WHERE type = 'COUNT'))::int AS counts FROM event_log
       WHERE store_id = $1 AND event_id = ANY ($2::uuid[]) AND recorded_time >= $3::timestamptz`,
      [storeId, ids, promotedAt],
    ),
  );
  return rows[0]!;
}

const untilEachHas = (fleet: StoreFleet, acknowledged: readonly number[]) =>
  until(
    async () => fleet.stores.every(({ process }, index) => process.durable >= acknowledged[index]!),
    `INVALID: no load flows: ${fleet.failures}`,
    PATIENCE_MS,
  );

/** Everybody works while the standbys receive nothing; then the primary is gone. */
async function loseAcknowledged({ servers, fleet, quiet }: Scene): Promise<void> {
  const known = await quiet.open();
  const told = await quiet.open();
  await untilEachHas(
    fleet,
    fleet.stores.map(() => ACKNOWLEDGED),
  );
  await servers.cutStandbysOff();
  const before = fleet.stores.map(({ process }) => process.durable);
  await quiet.open();
  await quiet.does(known, sale('A', 7), count('A', 30), sale('A', 2), restock('B', 3));
  await quiet.delivered(told, 'C');
  await untilEachHas(
    fleet,
    before.map((durable) => durable + ACKNOWLEDGED),
  );
  await servers.server(servers.primary).kill9();
}

test('an asynchronous failover loses what stores were told is durable: they send it again, each operation counts once, all agree', async () => {
  const scene = await setUp();
  const { servers, fleet, quiet, onhand, online } = scene;
  await loseAcknowledged(scene);
  const files = [...fleet.files, ...quiet.files];
  const acknowledged = files.map(({ storeId, path }) => ({
    storeId,
    ids: acknowledgedIn(path).map(({ eventId }) => eventId),
  }));
  // One comes back from its file alone, all others go on with what they have in memory; lines break meanwhile.
  await fleet.stores[0]!.process.kill9();
  fleet.beginCuts();
  const [standby] = await servers.run(servers.standbys[0]!, 'SELECT clock_timestamp()::text AS now');
  const promotedAt = String(standby?.now);
  const url = servers.url(await servers.promote());
  await until(async () => fleet.areDone, `stores are not done: ${fleet.failures}`, PATIENCE_MS);
  fleet.settleLines();
  await online.stop();
  await quiet.untilAgreed();
  await until(
    async () => (await fleet.differences(onhand)).length === 0,
    'stores and service do not agree',
    PATIENCE_MS,
  );
  const operations = await expectEachOnce(url, files);
  expect(fleet.failures).toEqual([]);
  const lost = await Promise.all(acknowledged.map((each) => lostOf({ url, promotedAt }, each)));
  note(
    `${operations} operations of ${files.length} stores; of those that were acknowledged lost and sent again: ${lost.map((each) => each.lost)}, ` +
      `${lost.reduce((sum, { counts }) => sum + counts, 0)} of them counts; online ${JSON.stringify(online.counts)}`,
  );
  const [known, told, late] = lost.slice(-quiet.files.length);
  expect({ known, told, late }).toEqual({
    known: { lost: 4, counts: 1 },
    told: { lost: 0, counts: 0 },
    late: { lost: 2, counts: 0 },
  });
  const ofSelling = lost.slice(0, fleet.stores.length);
  expect(
    `INVALID unless each store lost some: ${Math.min(...ofSelling.map((each) => each.lost)) > 0}`,
  ).toMatch(/true$/);
  expect(`INVALID unless counts were lost: ${ofSelling.some(({ counts }) => counts > 0)}`).toMatch(/true$/);
  expect((await auditStocks(url)).filter((stock) => !sumsUp(stock))).toEqual([]);
  await stage.expectServicesAlive();
}, 600_000);
