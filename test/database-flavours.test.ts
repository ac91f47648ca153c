import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Callers } from '../src/api/callers.js';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { DISTRIBUTION_POSTGRES } from '../src/dev/optional-programs.js';
import { findPostgresBinaries } from '../src/dev/postgres-binaries.js';
import { startPrimary } from '../src/dev/postgres-server.js';
import { withConnection } from '../src/dev/postgres-session.js';
import type { PostgresServer } from '../src/dev/postmaster.js';
import { reachableFolder } from '../src/dev/server-account.js';
import { Consistency } from '../src/gen/grpc/inventory/v1/inventory.js';
import { migrate } from '../src/postgres/migrate.js';
import { projectRoot } from '../src/project-root.js';
import { type ServiceProcess, startService } from './service-process.js';
import { until } from './until.js';
import { WatchFollower } from './watch/watch-follower.js';

/** As a managed database is: reached over TLS only, and its owner is no superuser. */

const CERTIFICATE = join(projectRoot(), 'test/fixtures/tls-certificate.pem');
const PASSWORD = 'of-the-test';

let folder: string;
let server: PostgresServer | undefined;
let service: ServiceProcess | undefined;

afterEach(async () => {
  await service?.stop();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startServer(initdb: string | undefined): Promise<PostgresServer> {
  const { account } = findPostgresBinaries();
  folder = mkdtempSync(join(reachableFolder(account, tmpdir()), 'onhand-flavour-'));
  chmodSync(folder, 0o755);
  const files = ['tls-certificate.pem', 'tls-key.pem'].map((name) => {
    const file = join(folder, name);
    copyFileSync(join(projectRoot(), 'test/fixtures', name), file);
    chmodSync(file, 0o600);
    if (account !== undefined) chownSync(file, account.uid, account.gid);
    return file;
  });
  const [certificate = '', key = ''] = files;
  server = await startPrimary({
    dataDir: join(folder, 'data'),
    port: 0,
    settings: { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key, shared_buffers: '32MB' },
    programs: initdb === undefined ? undefined : { initdb, postgres: join(dirname(initdb), 'postgres') },
  });
  return server;
}

/** Makes an owner with a database, and gives its URL, which asks for TLS and checks who answers. */
async function makeOwner({ url, port }: PostgresServer, rights: string): Promise<string> {
  await withConnection(url('postgres'), async (client) => {
    await client.query(`CREATE ROLE owner LOGIN PASSWORD '${PASSWORD}' ${rights}`);
    await client.query('CREATE DATABASE owned OWNER owner');
  });
  const checks = `sslmode=verify-full&sslrootcert=${encodeURIComponent(CERTIFICATE)}`;
  return `postgres://owner:${PASSWORD}@localhost:${port}/owned?${checks}`;
}

const PATIENCE_MS = 20_000;

async function expectItServes(databaseUrl: string): Promise<void> {
  service = await startService({ databaseUrl });
  const callers = new Callers(service.grpcAddress, service.httpUrl);
  let follower: WatchFollower | undefined;
  try {
    const key = await callers.stockOf(5);
    follower = new WatchFollower({ addresses: [service.grpcAddress], ...key, productIds: [key.productId] });
    const { stocks } = follower;
    await until(async () => stocks.size === 1, 'there is no snapshot', PATIENCE_MS);
    const sale = { ...key, quantity: 2, eventId: '', metadata: {} };
    expect(await callers.overGrpc('Sell', sale)).toMatchObject({ stock: { quantity: 3, version: 2n } });
    const read = { ...key, consistency: Consistency.STRONG, minVersion: 2n };
    expect(await callers.overGrpc('Get', read)).toMatchObject({ stock: { quantity: 3 }, stale: false });
    await until(async () => [...stocks.values()][0]?.version === 2, 'the sale is not seen', PATIENCE_MS);
    expect(follower.problems).toEqual([]);
  } finally {
    follower?.stop();
    callers.grpc.close();
  }
}

function suite(initdb: () => string | undefined): void {
  test('serves for an owner that may make roles, over TLS', async () => {
    const running = await startServer(initdb());
    const databaseUrl = await makeOwner(running, 'CREATEROLE');
    await migrate(databaseUrl);
    await expectItServes(databaseUrl);
    const text = `SELECT count(*)::int AS sessions, bool_and(ssl) AS all_encrypted
      FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'owner'`;
    const { rows } = await withConnection(running.url('postgres'), (client) => client.query(text));
    expect(rows[0].sessions).toBeGreaterThan(1);
    expect(rows[0].all_encrypted).toBe(true);
  }, 120_000);

  test('serves for an owner without any right, once the role of the service was made for it', async () => {
    const running = await startServer(initdb());
    const databaseUrl = await makeOwner(running, '');
    await expect(migrate(databaseUrl)).rejects.toThrow('permission denied to create role');
    await withConnection(running.url('postgres'), async (client) => {
      await client.query('CREATE ROLE onhand_app');
      await client.query('GRANT onhand_app TO owner');
    });
    await migrate(databaseUrl);
    await expectItServes(databaseUrl);
  }, 120_000);

  test('a server that cannot prove who it is is not talked to', async () => {
    const { port } = await startServer(initdb());
    const wrong = `postgres://owner:${PASSWORD}@localhost:${port}/owned?sslmode=verify-full`;
    await expect(withConnection(wrong, (client) => client.query('SELECT 1'))).rejects.toThrow('self-signed');
  }, 120_000);
}

describe('the PostgreSQL of the npm packages', () => suite(() => undefined));

describeNeeding(DISTRIBUTION_POSTGRES, "the distribution's PostgreSQL", () => {
  suite(() => process.env[DISTRIBUTION_POSTGRES.givenIn]);
});
