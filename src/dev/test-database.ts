import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { poll } from './poll.js';
import { withConnection } from './postgres-session.js';

/** The migrated database that `npm test` makes once and every test database is copied from. */
export const templateDatabase = 'onhand_template';

const copyTimeoutMs = 30_000;
const replicaTimeoutMs = 30_000;
const replicaLock = 1;
const objectInUse = '55006';

/** A database of its own for one test file, with the schema and without data. */
export interface TestDatabase {
  readonly name: string;
  /** On the primary. */
  readonly url: string;
  /** On the replica, where the database already is. */
  readonly replicaUrl: string;
  /** Removes it, and ends the connections that are still open. */
  drop(): Promise<void>;
}

/** Makes a database for a test file. Needs the servers that `npm test` starts. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const primary = serverUrl('ONHAND_TEST_PRIMARY_URL');
  const replica = serverUrl('ONHAND_TEST_REPLICA_URL');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await copyTemplate(primary, name);
  await appearsOn(replica, name);
  return {
    name,
    url: withDatabase(primary, name),
    replicaUrl: withDatabase(replica, name),
    drop: async () => {
      await withConnection(primary, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/**
 * Test files that run at once share one replica. Who stops it, or counts on it, has it alone; others who ask wait.
 *
 * @returns gives it free.
 */
export async function takeReplica(): Promise<() => Promise<void>> {
  const session = new pg.Client(serverUrl('ONHAND_TEST_PRIMARY_URL'));
  session.on('error', () => undefined);
  await session.connect();
  await session.query('SELECT pg_advisory_lock($1)', [replicaLock]);
  return () => session.end();
}

function serverUrl(variable: string): string {
  const url = process.env[variable];
  if (url === undefined) throw new Error(`${variable} is not set: run the tests with "npm test -- <file>".`);
  return url;
}

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Two test files may copy at the same time; PostgreSQL then may ask one of them to come again. */
async function copyTemplate(primary: string, name: string): Promise<void> {
  const done = await poll(async () => {
    try {
      await withConnection(primary, (client) =>
        client.query(`CREATE DATABASE ${name} TEMPLATE ${templateDatabase}`),
      );
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === objectInUse) return undefined;
      throw error;
    }
  }, copyTimeoutMs);
  if (done === undefined) throw new Error(`${templateDatabase} was in use for ${copyTimeoutMs} ms.`);
}

async function appearsOn(replica: string, name: string): Promise<void> {
  const there = await withConnection(replica, (client) =>
    poll(async () => {
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
      return rowCount === 1 ? true : undefined;
    }, replicaTimeoutMs),
  );
  if (there === undefined) throw new Error(`The replica has not got ${name} within ${replicaTimeoutMs} ms.`);
}
