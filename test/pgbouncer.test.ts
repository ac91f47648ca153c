import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { PGBOUNCER } from '../src/dev/optional-programs.js';
import { withConnection } from '../src/dev/postgres-session.js';
import type { TestDatabase } from '../src/dev/test-database.js';
import { Cluster } from '../src/postgres/cluster.js';
import { APP_ROLE, createPool } from '../src/postgres/pool.js';
import { Stage } from './faults/stage.js';
import { installGate } from './gate.js';
import { audit } from './load/audit.js';
import type { LoadPlan } from './load/load-plan.js';
import { openStocks } from './load/opening-stocks.js';
import { type PgBouncerProcess, startPgBouncer } from './pgbouncer-process.js';
import { lateCommand } from './scenarios/durability.js';
import {
  anotherPayload,
  oneIdForTwoProducts,
  oneIdInOneBatch,
  oneIdInTwoProcesses,
  refusalRepeated,
} from './scenarios/repeats.js';
import { lastUnits, twoHundredSales } from './scenarios/sales.js';
import { Services } from './services.js';
import { auditStocks } from './store-audit.js';
import { until } from './until.js';
import { WatchFollower } from './watch/watch-follower.js';

/** PgBouncer in transaction mode: sessions of PostgreSQL that are lent for one transaction each. */

const PATIENCE_MS = 20_000;
const LIMITS = { max: 4, min: 0, idleMs: 10_000, lifetimeMs: 60_000 };

const PLAN: Omit<LoadPlan, 'seed' | 'addresses'> = {
  connections: 4,
  load: { inFlight: 32 },
  stocks: { storePrefix: 'store', stores: 2, products: 40 },
  mix: { Sell: 3, Restock: 1, Get: 2, ApplyAtomic: 0.5 },
  batchSize: 10,
  deadlineMs: 5_000,
  tries: 50,
  seconds: 120,
};

const stage = new Stage();
let database: TestDatabase;

beforeEach(async () => {
  database = await stage.database();
}, 60_000);

afterEach(() => stage.clear());

const pgBouncer = async (
  url: string,
  settings?: Readonly<Record<string, string>>,
): Promise<PgBouncerProcess> => stage.keep(await startPgBouncer(url, settings), (one) => one.stop());

/** What a service would learn of the server, and whether it would write to it. */
async function lookThrough(url: string): Promise<{ writable: boolean; problems: string[] }> {
  const cluster = new Cluster({ urls: [url], limits: LIMITS, writeSettings: {}, onError: () => undefined });
  stage.keep(cluster, (one) => one.close());
  await cluster.start();
  const problems = [...cluster.problems.values()].map((problem) => (problem as Error).message);
  return { writable: cluster.writable, problems };
}

/** The URL of a pooler as one of PostgreSQL itself. */
const untold = (url: string): string => url.replace('?pool_mode=transaction', '');

describeNeeding(PGBOUNCER, 'PgBouncer in transaction mode', () => {
  test('every transaction has the settings of the service, and leaves none of them behind', async () => {
    for (const [name, value] of [
      ['default_transaction_isolation', `'serializable'`],
      ['synchronous_commit', 'off'],
    ])
      await withConnection(database.url, (client) =>
        client.query(`ALTER DATABASE ${database.name} SET ${name} = ${value}`),
      );
    const pooler = await pgBouncer(database.url, { default_pool_size: '1' });
    const url = `${pooler.url(database.url)}&options=${encodeURIComponent('-c lock_timeout=1234')}`;
    const settings = { enable_seqscan: 'off' };
    const pool = createPool({ url, name: 'test', limits: LIMITS, settings, onError: () => undefined });
    stage.keep(pool, (one) => one.end());
    const names = ['role', 'statement_timeout', 'lock_timeout', 'enable_seqscan', 'synchronous_commit'];
    const shown = [...names, 'transaction_isolation'].map((name) => `current_setting('${name}') AS ${name}`);
    const text = `SELECT ${shown.join(', ')}, pg_backend_pid() AS pid`;
    const asked = Array.from({ length: 4 }, () => pool.query({ name: 'settings', text, values: [] }));
    const rows = (await Promise.all(asked)).map((answer) => answer.rows[0]);
    expect(new Set(rows.map(({ pid }) => pid)).size).toBe(1);
    for (const row of rows)
      expect(row).toMatchObject({
        ...{ role: APP_ROLE, statement_timeout: '2s', lock_timeout: '1234ms', enable_seqscan: 'off' },
        ...{ synchronous_commit: 'on', transaction_isolation: 'read committed' },
      });
    const [left] = (await withConnection(untold(pooler.url(database.url)), (client) => client.query(text)))
      .rows;
    expect(left).toMatchObject({
      ...{ pid: rows[0].pid, role: 'none', statement_timeout: '0', lock_timeout: '0', enable_seqscan: 'on' },
      ...{ synchronous_commit: 'off', transaction_isolation: 'serializable' },
    });
  });

  test('two processes sell, repeat and refuse as they do without it', async () => {
    await installGate(database.url);
    const pooler = await pgBouncer(database.url);
    const through = { databaseUrl: pooler.url(database.url) };
    const services = stage.keep(await Services.start(database.url, 2, through), (one) => one.stop());
    for (const { run, expected } of [
      ...[twoHundredSales, lastUnits, oneIdInTwoProcesses, oneIdInOneBatch, oneIdForTwoProducts],
      ...[anotherPayload, refusalRepeated, lateCommand],
    ])
      expect(await run(services)).toEqual(expected);
  }, 120_000);

  test('a stream follows what another process changes', async () => {
    await openStocks(database.url, PLAN.stocks, 1_000);
    const pooler = await pgBouncer(database.url);
    const databaseUrl = pooler.url(database.url);
    const services = [await stage.service({ databaseUrl }), await stage.service({ databaseUrl })];
    const [changed = '', watched = ''] = services.map(({ grpcAddress }) => grpcAddress);
    const follower = new WatchFollower({ addresses: [watched], storeId: 'store-1', productIds: [] });
    stage.keep(follower, async (one) => one.stop());
    await until(async () => follower.following, 'there is no snapshot', PATIENCE_MS);
    const load = stage.load({ ...PLAN, seed: 'watched', addresses: [changed] });
    await load.untilAcceptedMore(500, 60_000);
    await load.stop();
    const versions = (await auditStocks(database.url, 'store-1')).map(({ version }) => version);
    const seen = () => [...follower.stocks.values()].reduce((sum, { version }) => sum + version, 0);
    const changes = versions.reduce((sum, version) => sum + version, 0);
    await until(async () => seen() === changes, 'changes are missing', PATIENCE_MS);
    expect(follower.problems).toEqual([]);
    expect(follower.totals).toMatchObject({ reconnects: 0, skippedVersions: 0 });
    await stage.expectServicesAlive();
  }, 120_000);

  test('what is lost between it and PostgreSQL as COMMIT is answered is lost to nobody, and counts once', async () => {
    await openStocks(database.url, PLAN.stocks, 1_000);
    const proxy = await stage.proxy(database.url);
    const pooler = await pgBouncer(proxy.url(database.url));
    const databaseUrl = pooler.url(database.url);
    const services = [await stage.service({ databaseUrl }), await stage.service({ databaseUrl })];
    const loads = services.map(({ grpcAddress }, index) =>
      stage.load({ ...PLAN, seed: `pgbouncer-${index}`, addresses: [grpcAddress] }),
    );
    const flow = () => Promise.all(loads.map((load) => load.untilAcceptedMore(200, 60_000)));
    await flow();
    for (let cuts = 1; cuts <= 10; cuts++) {
      let cut = false;
      proxy.faults = {
        onAnswer: ({ tags, eventIds }) => {
          if (cut || tags.at(-1) !== 'COMMIT' || eventIds.size === 0) return 'pass';
          cut = true;
          return cuts % 2 === 0 ? 'reset' : 'close';
        },
      };
      await flow();
      expect(cut).toBe(true);
    }
    const calls = (await Promise.all(loads.map((load) => load.stop()))).flat();
    expect(await audit(database.url, calls)).toMatchObject({ problems: [], unknown: 0 });
    await stage.expectServicesAlive();
  }, 180_000);

  test('that the URL does not tell of is refused, with what to do', async () => {
    const strict = await pgBouncer(database.url);
    expect(await lookThrough(untold(strict.url(database.url)))).toEqual({
      writable: false,
      problems: ['unsupported startup parameter: options'],
    });
    const careless = await pgBouncer(database.url, { ignore_startup_parameters: 'options' });
    expect(await lookThrough(untold(careless.url(database.url)))).toEqual({
      writable: false,
      problems: [expect.stringContaining('A pooler needs pool_mode=transaction in the URL')],
    });
    expect(await lookThrough(careless.url(database.url))).toEqual({ writable: true, problems: [] });
  }, 60_000);
});
