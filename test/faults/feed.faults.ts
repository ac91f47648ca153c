import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { findProgram, REDIS } from '../../src/dev/optional-programs.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { audit } from '../load/audit.js';
import type { LoadPlan } from '../load/load-plan.js';
import { storeIds } from '../load/load-plan.js';
import type { LoadProcess } from '../load/load-process.js';
import { insertStocks, openStocks } from '../load/opening-stocks.js';
import type { ServiceProcess } from '../service-process.js';
import { until } from '../until.js';
import type { WatchReport } from '../watch/watch-client.js';
import type { WatchFilter } from '../watch/watch-follower.js';
import type { WatchProcess } from '../watch/watch-process.js';
import { note } from './findings.js';
import { Stage } from './stage.js';

const CHANGES_PER_SECOND = 5_000;
const BATCH_SIZE = 25;
const HELD_MS = 10_000;
const CATCH_UP_MS = 30_000;
const STOCKS: LoadPlan['stocks'] = { storePrefix: 'store', stores: 4, products: 50 };
const HELD_PRODUCT = 'held-open';

const stage = new Stage();

afterEach(() => stage.clear());

/** Five for each store: three for all of it, two for some of its products. */
const FILTERS: readonly WatchFilter[] = storeIds(STOCKS).flatMap((storeId) => [
  ...[1, 2, 3].map(() => ({ storeId, productIds: [] })),
  { storeId, productIds: ['p-1', 'p-2', 'p-3', HELD_PRODUCT] },
  { storeId, productIds: ['p-1'] },
]);

const loadOf = (addresses: readonly string[], changesPerSecond: number, seed: string): LoadPlan => ({
  ...{ seed, addresses, connections: 4, stocks: STOCKS, mix: { ApplyIndependent: 1 }, batchSize: BATCH_SIZE },
  load: { perSecond: changesPerSecond / BATCH_SIZE },
  ...{ deadlineMs: 5_000, tries: 100, seconds: 600 },
});

/** Commits a new stock in each store from a transaction that was open for a while, and took its number long before. */
async function holdTransactionOpen(url: string): Promise<void> {
  await withConnection(url, async (client) => {
    await client.query('BEGIN');
    await insertStocks(client, storeIds(STOCKS), [HELD_PRODUCT], 10);
    await pause(HELD_MS);
    await client.query('COMMIT');
  });
}

/** What each watcher should have seen at the end: the database's stocks, as `store product` to version and net. */
async function stocksIn(url: string): Promise<Map<string, { version: number; net: number }>> {
  const statement = `SELECT store_id || ' ' || product_id AS key, version::integer, net FROM stock`;
  const { rows } = await withConnection(url, (client) => client.query(statement));
  return new Map(rows.map(({ key, version, net }) => [key, { version, net }]));
}

function isIn({ storeId, productIds }: WatchFilter, key: string): boolean {
  const [store = '', product = ''] = key.split(' ');
  return store === storeId && (productIds.length === 0 || productIds.includes(product));
}

/** Waits until every watcher has come as far as the database, and gives what they have seen. */
async function caughtUp(watching: WatchProcess, url: string): Promise<WatchReport[]> {
  const stocks = [...(await stocksIn(url))];
  const expected = FILTERS.map((filter) => new Map(stocks.filter(([key]) => isIn(filter, key))));
  let reports: WatchReport[] = [];
  const behind = () =>
    reports.filter((report, index) => {
      const seen = new Map(report.stocks);
      return [...expected[index]!].some(([key, { version }]) => (seen.get(key)?.version ?? 0) < version);
    });
  await until(
    async () => {
      reports = await watching.reports();
      return behind().length === 0;
    },
    'watchers do not catch up',
    CATCH_UP_MS,
  ).catch((error: unknown) => {
    note(JSON.stringify(behind().map(({ filter, totals, problems }) => ({ filter, totals, problems }))));
    throw error;
  });
  for (const [index, { stocks: seen }] of reports.entries()) expect(new Map(seen)).toEqual(expected[index]);
  return reports;
}

const sum = (reports: readonly WatchReport[], of: keyof WatchReport['totals']): number =>
  reports.reduce((total, { totals }) => total + totals[of], 0);

describeNeeding(REDIS, 'three processes and twenty watchers', () => {
  test('a transaction held open, Redis restarted, a process killed, a failover: each watcher sees each change once', async () => {
    const servers = await stage.replicated('SYNCHRONOUS');
    await openStocks(servers.url('a'), STOCKS, 100_000);
    const redis = await stage.redis(findProgram(REDIS)!);
    const [databaseUrl = '', ...replicaUrls] = servers.urls;
    const services: ServiceProcess[] = [];
    const start = (grpcPort = '0') =>
      stage.service({
        ...{ databaseUrl, replicaUrls, redisUrl: redis.url },
        environment: { ONHAND_GRPC_PORT: grpcPort },
      });
    for (let process = 1; process <= 3; process++) services.push(await start());
    const addresses = services.map(({ grpcAddress }) => grpcAddress);
    const turned = (by: number) => addresses.map((_, index) => addresses[(index + by) % addresses.length]!);
    const watching = stage.watch({
      watchers: FILTERS.map((filter, index) => ({ ...filter, addresses: turned(index) })),
    });
    await until(
      async () => (await watching.reports()).every(({ following }) => following),
      'a watcher has no snapshot',
      CATCH_UP_MS,
    );

    const load = stage.load(loadOf(addresses, CHANGES_PER_SECOND, 'feed'));
    const flow = () => load.untilAcceptedMore(4 * CHANGES_PER_SECOND, 60_000);
    await flow();
    const held = holdTransactionOpen(servers.url('a'));
    await flow();
    await redis.restart();
    await held;
    await flow();
    const [killed] = services;
    await stage.kill9(killed!);
    await start(killed!.grpcAddress.split(':')[1]);
    await flow();
    const old = servers.primary;
    await servers.server(old).kill9();
    await servers.promote();
    await flow();

    await judge(load, watching, servers.url(servers.primary));
    await stage.expectServicesAlive();
  }, 300_000);
});

async function judge(load: LoadProcess, watching: WatchProcess, url: string): Promise<void> {
  const calls = await load.stop();
  const audited = await audit(url, calls);
  expect(audited).toMatchObject({ problems: [], unknown: 0 });
  const reports = await caughtUp(watching, url);
  const totals = {
    changes: sum(reports, 'changes'),
    reconnects: sum(reports, 'reconnects'),
    repeats: sum(reports, 'repeats'),
  };
  note(`${audited.events} events; what twenty watchers saw of them: ${JSON.stringify(totals)}`);
  expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
  expect(sum(reports, 'skippedVersions')).toBe(0);
  expect(sum(reports, 'resyncs')).toBe(0);
  // The process that was killed had a third of the watchers.
  expect(totals.reconnects).toBeGreaterThanOrEqual(Math.floor(FILTERS.length / 3));
  expect(audited.events).toBeGreaterThan(20 * CHANGES_PER_SECOND);
}
