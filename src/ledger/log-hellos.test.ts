import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../../test/until.js';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { Pool } from '../postgres/pool.js';
import { openLedgerPool } from './ledger-scene.js';
import { LogHellos } from './log-hellos.js';

const PATIENCE_MS = 10_000;
/** One after the other: so many that those who are stuck would have given up, if each had to wait for them. */
const FREE_HELLOS = 10;

let database: TestDatabase;
let pool: Pool;
let hellos: LogHellos;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = openLedgerPool(database.url);
  hellos = new LogHellos(() => pool);
});

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

const staying = () => new AbortController().signal;

const newLogs = async (...storeIds: string[]) => {
  for (const storeId of storeIds) await hellos.open(storeId, 0n, staying());
};

/** Keeps the rows of these logs locked during `act`, or until that lets go of them. */
const whileLocked = <T>(
  storeIds: readonly string[],
  act: (letGo: () => Promise<unknown>) => Promise<T>,
): Promise<T> =>
  withConnection(database.url, async (client) => {
    await client.query('BEGIN');
    const { rowCount } = await client.query(
      'SELECT FROM sync_cursor WHERE store_id = ANY ($1) FOR NO KEY UPDATE',
      [storeIds],
    );
    expect(rowCount).toBe(storeIds.length);
    return await act(() => client.query('ROLLBACK'));
  });

const untilWaiting = (sessions: number): Promise<void> =>
  withConnection(database.url, async (client) => {
    const wait = async () => {
      const { rows } = await client.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length === sessions;
    };
    await until(wait, `There are not ${sessions} that wait.`, PATIENCE_MS);
  });

const streamOf = async (storeId: string): Promise<number> => {
  const { rows } = await withConnection(database.url, (client) =>
    client.query('SELECT stream::int FROM sync_cursor WHERE store_id = $1', [storeId]),
  );
  return rows[0].stream;
};

test('a hello whose caller goes while it waits for the lock is not tried again', async () => {
  await newLogs('left');
  await whileLocked(['left'], async (letGo) => {
    const leaving = new AbortController();
    const orphan = hellos.open('left', 1n, leaving.signal);
    await untilWaiting(1);
    leaving.abort();
    await untilWaiting(0);
    await letGo();
    expect(await orphan).toBeUndefined();
  });
  expect(await streamOf('left')).toBe(1);
});

test('a hello whose caller goes while it waits for its turn, or for a connection, is never tried', async () => {
  const others = ['first', 'second', 'third'];
  await newLogs('late', ...others);
  await whileLocked(others, async (letGo) => {
    const before = others.map((storeId) => hellos.open(storeId, 1n, staying()));
    await untilWaiting(others.length);
    const leaving = new AbortController();
    const orphan = hellos.open('late', 1n, leaving.signal);
    leaving.abort();
    await letGo();
    expect(await orphan).toBeUndefined();
    expect(await Promise.all(before)).toMatchObject(others.map(() => ({ stream: 2n })));
  });
  const leaving = new AbortController();
  const orphan = hellos.open('late', 1n, leaving.signal);
  // It has its turn, and has asked the pool.
  await Promise.resolve();
  await Promise.resolve();
  leaving.abort();
  expect(await orphan).toBeUndefined();
  expect(await streamOf('late')).toBe(1);
});

test('hellos of logs that somebody keeps locked do not hold up others', async () => {
  const stuck = Array.from({ length: 9 }, (_, nth) => `stuck-${nth}`);
  await newLogs('free', ...stuck);
  const given: string[] = [];
  const hello = (storeId: string) =>
    hellos.open(storeId, 1n, staying()).then(
      () => given.push(storeId),
      () => given.push(`${storeId} gave up`),
    );
  await whileLocked(stuck, async (letGo) => {
    const before = stuck.map(hello);
    for (let nth = 0; nth < FREE_HELLOS; nth++) await hello('free');
    expect(given).toEqual(Array(FREE_HELLOS).fill('free'));
    await letGo();
    await Promise.all(before);
  });
  expect(given.slice(FREE_HELLOS).sort()).toEqual(stuck);
});
