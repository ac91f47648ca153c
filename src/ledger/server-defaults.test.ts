import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { poll } from '../dev/poll.js';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { Command } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import type { Ledger } from './ledger.js';
import { command, openLedger, openLedgerPool } from './ledger-scene.js';

/** A database whose defaults are not those that the ledger relies on: its sessions must not take them over. */
const ODD_DEFAULTS = {
  synchronous_commit: 'off',
  default_transaction_isolation: `'repeatable read'`,
  client_min_messages: 'error',
};

let database: TestDatabase;
let pool: Pool;
let ledgers: readonly [Ledger, Ledger];
let retries: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  for (const [name, value] of Object.entries(ODD_DEFAULTS))
    await query(`ALTER DATABASE ${database.name} SET ${name} = ${value}`);
  pool = openLedgerPool(database.url);
});

beforeEach(() => {
  retries = [];
  ledgers = [newLedger(), newLedger()];
});

afterEach(async () => {
  await query('DROP TRIGGER IF EXISTS warn_at_commit ON event_log');
});

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

const newLedger = () => openLedger(pool, { retried: (cause) => retries.push(cause) });

const query = (statement: string) => withConnection(database.url, (client) => client.query(statement));

const submit = (ledger: Ledger, each: Command) => ledger.submit(each, performance.now() + 20_000);

/** As PostgreSQL warns where the wait for a synchronous standby is given up: COMMIT succeeds, with a WARNING. */
const WARN_AT_COMMIT = `
  CREATE OR REPLACE FUNCTION warn_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE WARNING 'not replicated';
    RETURN NULL;
  END
  $$;
  CREATE CONSTRAINT TRIGGER warn_at_commit AFTER INSERT ON event_log DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION warn_at_commit()`;

test('a commit waits for the disk', async () => {
  expect((await pool.query('SHOW synchronous_commit')).rows).toEqual([{ synchronous_commit: 'on' }]);
});

test('a COMMIT that came with a warning is no acknowledgement: the batch is run again', async () => {
  await query(WARN_AT_COMMIT);
  const outcome = await submit(ledgers[0], command('RESTOCK', 'A', 5));
  expect(retries).toEqual(['TRANSIENT']);
  expect(outcome).toMatchObject({ kind: 'DECIDED', replayed: false, event: { netAfter: 5, version: 1n } });
});

test('what another process recorded while we waited for the stock is seen', async () => {
  await submit(ledgers[0], command('RESTOCK', 'B', 1));
  const refused = command('SALE', 'B', 2);
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query(`BEGIN; SELECT FROM stock WHERE product_id = 'B' FOR UPDATE`);
  const outcomes = Promise.all(ledgers.map((ledger) => submit(ledger, refused)));
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  const both = async () => ((await query(waiting)).rowCount === 2 ? true : undefined);
  expect(await poll(both, 20_000)).toBe(true);
  await holder.query('ROLLBACK');
  await holder.end();
  expect((await outcomes).map((outcome) => outcome.kind === 'DECIDED' && outcome.replayed).sort()).toEqual([
    false,
    true,
  ]);
  expect(retries).not.toContain('EVENT_ID_TAKEN');
});
