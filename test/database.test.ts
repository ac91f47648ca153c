import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PG_MIGRATE_LOCK_ID } from 'node-pg-migrate';
import { poll } from '../src/dev/poll.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { APP_ROLE, createPool, type Pool } from '../src/postgres/pool.js';
import { projectRoot } from '../src/project-root.js';
import { StartedReads } from '../src/reads/started-reads.js';

const PERMISSION_DENIED = '42501';
const CHECK_VIOLATED = '23514';
const UNIQUE_VIOLATED = '23505';

let ledger: StartedReads;
let database: TestDatabase;
/** Connections as the service has them. */
let servicePool: Pool;

beforeAll(async () => {
  ledger = await StartedReads.start();
  database = ledger.database;
  servicePool = createPool({
    url: database.url,
    name: 'test',
    limits: { max: 1, min: 0, idleMs: 10_000, lifetimeMs: 60_000 },
    onError: () => undefined,
  });
});

afterAll(async () => {
  await servicePool?.end();
  await ledger?.stop();
});

/** Runs statements as the owner of the database, who migrates it. */
const asOwner = async <Row extends object>(statement: string, values: unknown[] = []): Promise<Row[]> =>
  (await withConnection(database.url, (client) => client.query<Row>(statement, values))).rows;

type Columns = Readonly<Record<string, unknown>>;

/** Adds a row, given as column: value. */
const insert = (table: string, row: Columns) => {
  const columns = Object.keys(row).join(', ');
  const record = `json_populate_record(NULL::${table}, $1)`;
  return asOwner(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${record}`, [JSON.stringify(row)]);
};

const NOW = '2026-01-31T10:30:00Z';
const aStock = (): Columns => ({ store_id: 'S', product_id: `P-${randomUUID()}`, net: 1, version: 1 });
const anEvent = (): Columns => ({
  ...{ store_id: 'S', product_id: 'P', event_id: randomUUID(), type: 'SALE', status: 'SUCCESS' },
  ...{ effect: 'APPLIED', reason: null, requested_delta: -1, applied_delta: -1, net_before: 1, net_after: 0 },
  ...{ version: 2, occurred_time: NOW, effective_time: NOW, recorded_time: NOW, actor: 'test' },
  ...{ actor_store_id: null, origin: 'SYSTEM', fingerprint: 'SALE:1:P' },
});
const REFUSED = { status: 'FAILED', effect: 'REFUSED', reason: 'X', applied_delta: 0, net_after: 1 };

describe('the event log is never rewritten', () => {
  const changes = [
    `UPDATE event_log SET actor = 'x'`,
    'DELETE FROM event_log',
    'TRUNCATE event_log',
    'TRUNCATE stock, event_log CASCADE',
    `INSERT INTO event_log OVERRIDING SYSTEM VALUE SELECT * FROM event_log
     ON CONFLICT (store_id, event_id) DO UPDATE SET actor = 'x'`,
    'MERGE INTO event_log e USING event_log o ON e.seq = o.seq WHEN MATCHED THEN DELETE',
  ];

  beforeAll(() => insert('event_log', anEvent()));

  test.each(changes)('not by the owner: %s', async (statement) => {
    const before = await asOwner('SELECT * FROM event_log');
    expect(before).not.toEqual([]);
    await expect(asOwner(statement)).rejects.toMatchObject({
      code: PERMISSION_DENIED,
      message: expect.stringMatching(/^event_log is append-only: (UPDATE|DELETE|TRUNCATE) refused$/),
    });
    expect(await asOwner('SELECT * FROM event_log')).toEqual(before);
  });

  test.each([
    ...changes,
    'ALTER TABLE event_log DISABLE TRIGGER ALL',
    'DROP TABLE event_log',
    'CREATE TABLE another (id integer)',
    'SET session_replication_role = replica',
  ])('not by the service, which has not even the right: %s', async (statement) => {
    await expect(servicePool.query(statement)).rejects.toMatchObject({
      code: PERMISSION_DENIED,
      message: expect.stringMatching(/^(permission denied|must be owner)/),
    });
  });

  test('the service may add to it and read it, and no more than it needs elsewhere', async () => {
    const { rows } = await servicePool.query('SELECT current_user AS role');
    expect(rows).toEqual([{ role: APP_ROLE }]);
    const rights = await asOwner<{ table: string; rights: string }>(
      `SELECT table_name AS table, string_agg(privilege_type, ' ' ORDER BY privilege_type) AS rights
       FROM information_schema.role_table_grants WHERE grantee = $1 GROUP BY table_name`,
      [APP_ROLE],
    );
    expect(Object.fromEntries(rights.map(({ table, rights }) => [table, rights]))).toEqual({
      event_log: 'INSERT SELECT',
      heartbeat: 'SELECT UPDATE',
      stock: 'INSERT SELECT UPDATE',
      sync_cursor: 'INSERT SELECT UPDATE',
    });
  });
});

/** Each constraint, and a row that breaks it and no other. */
const BROKEN: readonly [constraint: string, row: Columns][] = [
  ['stock_store_id_check', { ...aStock(), store_id: '' }],
  ['stock_store_id_check', { ...aStock(), store_id: '\u{1F600}'.repeat(51) }],
  ['stock_product_id_check', { ...aStock(), product_id: '' }],
  ['stock_product_id_check', { ...aStock(), product_id: 'x'.repeat(51) }],
  ['stock_net_check', { ...aStock(), net: 1_000_000_001 }],
  ['stock_net_check', { ...aStock(), net: -1_000_000_001 }],
  ['stock_version_check', { ...aStock(), net: 0, version: -1 }],
  ['stock_check', { ...aStock(), net: 1, version: 0 }],
  ['event_log_check', { ...anEvent(), net_after: 1 }],
  ['event_log_check1', { ...anEvent(), reason: 'X' }],
  ['event_log_check1', { ...anEvent(), ...REFUSED, reason: null }],
  ['event_log_check2', { ...anEvent(), ...REFUSED, effect: 'ABSORBED' }],
  ['event_log_check2', { ...anEvent(), effect: 'REFUSED', applied_delta: 0, net_after: 1 }],
  ['event_log_check3', { ...anEvent(), effect: 'ABSORBED' }],
  ['event_log_check3', { ...anEvent(), ...REFUSED, applied_delta: -1, net_after: 0 }],
  ['event_log_check4', { ...anEvent(), applied_delta: -2, net_after: -1 }],
  ['event_log_check5', { ...anEvent(), actor_store_id: 'T' }],
  ['event_log_effective_time_check', { ...anEvent(), effective_time: '2026-01-31T10:30:01Z' }],
  ['event_log_judged_net_check', { ...anEvent(), judged_net: 1 }],
  ['sync_cursor_epoch_check', { store_id: 'S', epoch: 0, sequence: 0 }],
  ['sync_cursor_sequence_check', { store_id: 'S', epoch: 1, sequence: -1 }],
  ['sync_cursor_stream_check', { store_id: 'S', epoch: 1, sequence: 0, stream: -1 }],
  ['heartbeat_id_check', { id: false, n: 1, time: NOW }],
];

/** Each key, a row, and another that may not stand beside it. */
const TWICE: readonly [constraint: string, row: Columns, changes: Columns][] = [
  ['stock_pkey', aStock(), { net: 7 }],
  ['event_log_event_id_key', anEvent(), { product_id: 'Q', type: 'RESTOCK' }],
  ['sync_cursor_pkey', { store_id: 'S', epoch: 1, sequence: 0 }, { epoch: 2 }],
];

describe('the tables keep their own rules', () => {
  const tableOf = (constraint: string) => /^(stock|event_log|sync_cursor|heartbeat)/.exec(constraint)![0];

  test.each(BROKEN)('%s', async (constraint, row) => {
    const refusal = { code: CHECK_VIOLATED, constraint };
    await expect(insert(tableOf(constraint), row)).rejects.toMatchObject(refusal);
  });

  test.each(TWICE)('%s', async (constraint, row, changes) => {
    await insert(tableOf(constraint), row);
    const refusal = { code: UNIQUE_VIOLATED, constraint };
    await expect(insert(tableOf(constraint), { ...row, ...changes })).rejects.toMatchObject(refusal);
  });

  test('there is one heartbeat', async () => {
    const second = insert('heartbeat', { id: true, n: 1, time: NOW });
    await expect(second).rejects.toMatchObject({ code: UNIQUE_VIOLATED, constraint: 'heartbeat_pkey' });
  });

  test('no rule is left out above', async () => {
    const rules = await asOwner<{ name: string }>(
      `SELECT conname AS name FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid <> 'schema_migrations'::regclass`,
    );
    const tried = new Set([...BROKEN, ...TWICE].map(([constraint]) => constraint).concat('heartbeat_pkey'));
    expect(rules.map(({ name }) => name).sort()).toEqual([...tried].sort());
  });

  test('what they allow goes in: ids of 50 characters of any kind, an event id in two stores, a refusal', async () => {
    const longest = '\u{1F600}'.repeat(50);
    await insert('stock', { ...aStock(), store_id: longest, product_id: longest, net: -1_000_000_000 });
    const event = anEvent();
    await insert('event_log', event);
    await insert('event_log', { ...event, store_id: 'T', actor_store_id: 'T' });
    await insert('event_log', { ...anEvent(), ...REFUSED });
    await insert('event_log', { ...anEvent(), effect: 'OVERSOLD', applied_delta: -2, net_after: -1 });
  });

  test('ids compare by code point, whatever the language of the database is', async () => {
    const columns = await asOwner<{ column: string; collation: string | null }>(
      `SELECT table_name || '.' || column_name AS column, collation_name AS collation FROM information_schema.columns
       WHERE table_schema = 'public' AND column_name IN ('store_id', 'product_id', 'actor_store_id') ORDER BY 1`,
    );
    expect(columns.map(({ column }) => column)).toEqual([
      ...['event_log.actor_store_id', 'event_log.product_id', 'event_log.store_id'],
      ...['stock.product_id', 'stock.store_id', 'sync_cursor.store_id'],
    ]);
    expect(new Set(columns.map(({ collation }) => collation))).toEqual(new Set(['C']));
  });
});

test('processes that migrate a new database at the same time wait for each other, and one does it', async () => {
  const fresh = await createTestDatabase();
  await withConnection(fresh.url, async (client) => {
    await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    await client.query('SELECT pg_advisory_lock($1)', [PG_MIGRATE_LOCK_ID]);
    const runs = [migrateInProcess(fresh.url), migrateInProcess(fresh.url)];
    const waiting = await poll(async () => {
      const { rowCount } = await client.query(`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'`);
      return rowCount === 2 ? true : undefined;
    }, 20_000);
    await client.query('SELECT pg_advisory_unlock($1)', [PG_MIGRATE_LOCK_ID]);
    const applied = (await Promise.all(runs)).map(({ applied }) => applied.length).sort();
    const { rows } = await client.query('SELECT name FROM schema_migrations ORDER BY id');
    expect({ waiting, applied }).toEqual({ waiting: true, applied: [0, rows.length] });
    expect(rows[0]).toEqual({ name: '000001_stock-and-event-log' });
  });
  expect((await migrateInProcess(fresh.url)).applied).toEqual([]);
  await fresh.drop();
});

/** Migrates in a process of its own. @throws Error with what it said, if it failed. */
async function migrateInProcess(url: string): Promise<{ applied: string[] }> {
  const module = pathToFileURL(join(projectRoot(), 'dist/src/postgres/migrate.js')).href;
  const program = `import { migrate } from '${module}'; console.log(JSON.stringify(await migrate(process.argv[1])))`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, url]);
  const [[code], out, err] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new Error(`It ended with ${code}: ${err}`);
  return JSON.parse(out);
}

test('the event log alone gives the stock table, in every column', async () => {
  const movement = (index: number) => ({
    ...{ storeId: `Z-${index % 2}`, productId: `P-${index % 5}`, eventId: randomUUID() },
    ...{ type: index % 3 === 0 ? ('RESTOCK' as const) : ('SALE' as const), quantity: 1 + (index % 17) },
  });
  const movements = Array.from({ length: 300 }, (_, index) => movement(index));
  const repeats = movements.slice(0, 50);
  const outcomes = await Promise.all([...movements, ...repeats].map((each) => ledger.submit(each)));
  const count = (status: string) =>
    outcomes.filter((outcome) => outcome.kind === 'DECIDED' && outcome.event.status === status).length;
  expect(count('SUCCESS')).toBeGreaterThan(100);
  expect(count('FAILED')).toBeGreaterThan(20);

  const fromEvents = await asOwner(
    `SELECT store_id, product_id, sum(applied_delta)::integer AS net, max(version) AS version,
       min(recorded_time) AS create_time, max(recorded_time) FILTER (WHERE status = 'SUCCESS') AS update_time
     FROM event_log WHERE store_id LIKE 'Z-%' GROUP BY store_id, product_id ORDER BY store_id, product_id`,
  );
  expect(fromEvents).toHaveLength(10);
  const stocks = `SELECT * FROM stock WHERE store_id LIKE 'Z-%' AND version > 0 ORDER BY store_id, product_id`;
  expect(await asOwner(stocks)).toEqual(fromEvents);
  // Each event goes on where the one before it in its stock's history has ended; refusals stand on the version they met.
  const broken = await asOwner(
    `SELECT * FROM (
       SELECT *, lag(net_after, 1, 0) OVER history AS last_net, lag(version, 1, 0::bigint) OVER history AS last_version
       FROM event_log WHERE store_id LIKE 'Z-%' WINDOW history AS (PARTITION BY store_id, product_id ORDER BY seq)
     ) e WHERE net_before <> last_net OR version <> last_version + (status = 'SUCCESS')::integer`,
  );
  expect(broken).toEqual([]);
});
