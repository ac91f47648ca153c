import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { poll } from '../dev/poll.js';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { LogCursor } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import type { Ledger } from './ledger.js';
import { command, openLedger, openLedgerPool } from './ledger-scene.js';

/** How soon what waits on a siding goes on once its lock is gone, in transactions: all that is tried is counted. */

const STORES = 8;
/** Four of them go into one transaction. */
const MESSAGES = 8;
const OPERATIONS = 241;
/** To find out that the first messages of all these stores are stuck: one that waits for a lock, then all that wait for none. */
const ROUND = 1 + STORES / 4;
const PATIENCE_MS = 60_000;

let database: TestDatabase;
let pool: Pool;
let ledger: Ledger;
/** The transactions so far, those too that found only locks: whether it waited for one in vain. */
const transactions: boolean[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  pool = openLedgerPool(database.url);
});

beforeEach(() => {
  const committed = () => transactions.push(false);
  const retried = () => transactions.push(true);
  ledger = openLedger(pool, { retried, committed });
});

afterEach(() => ledger.drain());

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

const deadline = () => performance.now() + PATIENCE_MS;

/** Stores with stocks, whose logs are open. */
async function openStores(prefix: string): Promise<LogCursor[]> {
  const logs: LogCursor[] = [];
  for (let nth = 0; nth < STORES; nth++) {
    const storeId = `${prefix}-${nth}`;
    await ledger.submitBatch({ mode: 'ATOMIC', commands: operations('RESTOCK', storeId) }, deadline());
    logs.push((await ledger.openLog(storeId, 0n, new AbortController().signal)) as LogCursor);
  }
  return logs;
}

const operations = (type: 'RESTOCK' | 'SALE', storeId: string) =>
  Array.from({ length: OPERATIONS }, (_, nth) => command(type, `P-${nth}`, 1, { storeId, origin: 'SYNC' }));

/** Messages of one store that wait. */
class Waiting {
  sidelined = 0;
  readonly order: bigint[] = [];
  /** How many transactions there were by then. */
  doneAt = Number.NaN;

  constructor({ storeId, stream, epoch }: LogCursor) {
    for (let sequence = 1n; sequence <= MESSAGES; sequence++) {
      const message = { storeId, stream, epoch, sequence, incomplete: false };
      const commands = operations('SALE', storeId);
      const sidelined = () => {
        this.sidelined++;
      };
      ledger.submitMessage({ commands, mode: 'INDEPENDENT', message }, deadline(), sidelined).then(
        () => {
          if (this.order.push(sequence) === MESSAGES) this.doneAt = transactions.length;
        },
        () => undefined,
      );
    }
  }

  get isDone(): boolean {
    return !Number.isNaN(this.doneAt);
  }
}

async function until(condition: () => boolean): Promise<void> {
  expect(await poll(() => condition() || undefined, PATIENCE_MS, 1)).toBe(true);
}

/** How many transactions it takes from now on until all are done; more than are allowed are not waited for. */
async function transactionsUntilDone(waiting: readonly Waiting[], atMost: number): Promise<number> {
  const before = transactions.length;
  await until(() => waiting.every(({ isDone }) => isDone) || transactions.length > before + atMost);
  return Math.max(...waiting.map(({ doneAt }) => doneAt)) - before;
}

/** Keeps all stocks of these stores locked until it is released. */
function lock(stores: readonly LogCursor[]): Promise<() => Promise<void>> {
  return new Promise((locked, failed) => {
    withConnection(database.url, async (client) => {
      await client.query('BEGIN');
      const storeIds = stores.map(({ storeId }) => storeId);
      await client.query('SELECT FROM stock WHERE store_id = ANY ($1) FOR NO KEY UPDATE', [storeIds]);
      await new Promise<void>((release) => {
        locked(async () => {
          await client.query('ROLLBACK');
          release();
        });
      });
    }).catch(failed);
  });
}

describe('large messages of stores whose stocks others have locked', () => {
  test('go on a few transactions after their lock is gone, whoever else is still stuck', async () => {
    const stores = await openStores('one-by-one');
    const releaseOthers = await lock(stores.slice(0, -1));
    const release = await lock(stores.slice(-1));
    const waiting = stores.map((log) => new Waiting(log));
    await until(() => waiting.every(({ sidelined }) => sidelined === MESSAGES));
    const from = transactions.length;
    await until(() => transactions.length > from + 3 * ROUND);
    const waits = transactions.slice(from, from + 3 * ROUND + 1).filter(Boolean);
    expect([3, 4]).toContain(waits.length);
    const last = waiting.at(-1)!;
    await release();
    // The round that runs and the next one; then the messages behind the first.
    const bound = 2 * ROUND + MESSAGES / 4;
    expect(await transactionsUntilDone([last], bound)).toBeLessThanOrEqual(bound);
    expect(waiting.filter(({ isDone }) => isDone)).toEqual([last]);
    await releaseOthers();
    const rest = 2 * ROUND + ((STORES - 1) * MESSAGES) / 4 + 1;
    expect(await transactionsUntilDone(waiting, rest)).toBeLessThanOrEqual(rest);
    const inOrder = Array.from({ length: MESSAGES }, (_, index) => BigInt(index + 1));
    expect(waiting.map(({ order }) => order)).toEqual(waiting.map(() => inOrder));
  }, 120_000);
});
