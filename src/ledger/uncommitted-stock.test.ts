import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { Command, LogCursor, Outcome } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import type { Ledger } from './ledger.js';
import { command, openLedger, openLedgerPool } from './ledger-scene.js';

/** A stock that another session has made and not committed cannot be passed over as a locked one can. */

const DEADLINE_MS = 25_000;

let database: TestDatabase;
let pool: Pool;
let ledger: Ledger;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = openLedgerPool(database.url);
  ledger = openLedger(pool);
});

afterAll(async () => {
  await ledger?.drain();
  await pool?.end();
  await database?.drop();
});

const restock = (storeId: string, productId = 'P'): Command =>
  command('RESTOCK', productId, 1, { storeId, origin: 'SYNC' });

const deadline = () => performance.now() + DEADLINE_MS;

/** Makes this store's stock in a transaction that stays open during `act`. */
const whileUncommitted = <T>(storeId: string, act: () => Promise<T>): Promise<T> =>
  withConnection(database.url, async (client) => {
    await client.query('BEGIN');
    await client.query(`INSERT INTO stock (store_id, product_id, net, version) VALUES ($1, 'P', 0, 0)`, [
      storeId,
    ]);
    return await act();
  });

/** What came first is all that has come. */
async function expectBefore(stuck: Promise<unknown>, free: readonly Promise<unknown>[]): Promise<void> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  stuck.then(settle, settle);
  await Promise.all(free);
  expect(settled).toBe(false);
}

test("holds up the stock's own commands only, not those that were queued with them", async () => {
  let stuck: Promise<Outcome> | undefined;
  await whileUncommitted('stuck', async () => {
    stuck = ledger.submit(restock('stuck'), deadline());
    const free = Array.from({ length: 7 }, (_, nth) => ledger.submit(restock(`free-${nth}`), deadline()));
    await expectBefore(stuck, free);
  });
  expect(await stuck).toMatchObject({ kind: 'DECIDED' });
});

test('holds up the messages of its store only, not those of stores that were queued with them', async () => {
  const stores = ['stuck-log', ...Array.from({ length: 7 }, (_, nth) => `free-log-${nth}`)];
  const logs: LogCursor[] = [];
  for (const storeId of stores)
    logs.push((await ledger.openLog(storeId, 0n, new AbortController().signal)) as LogCursor);
  const send = ({ storeId, stream, epoch }: LogCursor, sequence: bigint) => {
    const message = { storeId, stream, epoch, sequence, incomplete: false };
    const commands = [restock(storeId)];
    return ledger.submitMessage({ commands, mode: 'INDEPENDENT', message }, deadline(), () => undefined);
  };
  let stuck: Promise<unknown> | undefined;
  await whileUncommitted('stuck-log', async () => {
    const [first, ...free] = logs.map((log) => send(log, 1n));
    stuck = Promise.all([first, send(logs[0]!, 2n)]);
    await expectBefore(stuck, free);
  });
  expect(await stuck).toMatchObject([[{ kind: 'DECIDED' }], [{ kind: 'DECIDED' }]]);
});
