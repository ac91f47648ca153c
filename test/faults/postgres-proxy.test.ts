import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { poll } from '../../src/dev/poll.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../../src/dev/test-database.js';
import { PostgresProxy, type Transaction } from './postgres-proxy.js';

const EVENT_ID = '0190b5e0-0000-8000-8000-000000000001';

let database: TestDatabase;
let proxy: PostgresProxy;

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.url, (client) => client.query('CREATE TABLE note (id uuid PRIMARY KEY)'));
});

afterAll(() => database?.drop());

beforeEach(async () => {
  proxy = await PostgresProxy.start(database.url);
  await withConnection(database.url, (client) => client.query('TRUNCATE note'));
});

afterEach(() => proxy.stop());

const insert = (commit: string | pg.QueryConfig = 'COMMIT') =>
  withConnection(proxy.url(database.url), async (client) => {
    await client.query('BEGIN');
    await client.query('INSERT INTO note VALUES ($1)', [EVENT_ID]);
    await client.query(commit);
  });

const notes = async () =>
  (await withConnection(database.url, (client) => client.query('SELECT * FROM note'))).rowCount;

const lastTag = ({ tags }: Transaction) => tags.at(-1);

test.each(['reset', 'close'] as const)(
  'a cut of the answer to COMMIT (%s) comes after it took effect',
  async (how) => {
    const seen: Transaction[] = [];
    proxy.faults = {
      onAnswer: (transaction) => {
        if (lastTag(transaction) !== 'COMMIT') return 'pass';
        seen.push(transaction);
        return how;
      },
    };
    await expect(insert()).rejects.toThrow(how === 'reset' ? /ECONNRESET|terminated/ : /terminated/);
    expect(await notes()).toBe(1);
    expect(seen).toEqual([{ eventIds: new Set([EVENT_ID]), tags: ['BEGIN', 'INSERT 0 1', 'COMMIT'] }]);
    expect(proxy.counts).toMatchObject({ connections: 1, commits: 1, cut: 1 });
  },
);

test.each(['COMMIT', { name: 'commit', text: 'COMMIT' }])(
  'a cut before COMMIT %j leaves nothing',
  async (commit) => {
    proxy.faults = { onCommit: () => 'reset' };
    await expect(insert(commit)).rejects.toThrow();
    expect(await notes()).toBe(0);
    expect(proxy.counts).toMatchObject({ commits: 0, cut: 1 });
  },
);

test('what is swallowed leaves a connection that is open and silent', async () => {
  proxy.faults = { onAnswer: (transaction) => (lastTag(transaction) === 'COMMIT' ? 'swallow' : 'pass') };
  const client = new pg.Client({ connectionString: proxy.url(database.url), query_timeout: 200 });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('BEGIN');
  await client.query('INSERT INTO note VALUES ($1)', [EVENT_ID]);
  await expect(client.query('COMMIT')).rejects.toThrow('Query read timeout');
  expect(await notes()).toBe(1);
  expect(proxy.counts).toMatchObject({ commits: 1, cut: 0, swallowed: 1 });
  await client.end();
});

test('it can refuse connections, hold everything up, cut all, and heal', async () => {
  await insert();
  proxy.refuse();
  await expect(insert()).rejects.toThrow();
  expect(proxy.counts.refused).toBe(1);
  proxy.heal();
  await withConnection(proxy.url(database.url), async (client) => {
    proxy.stall();
    let answered = false;
    const answer = client.query('SELECT 1').then(() => {
      answered = true;
    });
    await poll(() => (answered ? true : undefined), 200);
    expect(answered).toBe(false);
    proxy.heal();
    await answer;
    const sleep = client.query('SELECT pg_sleep(60)');
    proxy.cutAll();
    await expect(sleep).rejects.toThrow();
  });
});
