import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidV7 } from 'uuid';
import { poll } from '../dev/poll.js';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { BatchMode, Command, Outcome } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import type { Ledger } from './ledger.js';
import { command, openLedger, openLedgerPool, type SceneOptions } from './ledger-scene.js';

let database: TestDatabase;
let pool: Pool;
let ledger: Ledger;
let retries: string[];

const newLedger = (bounds: SceneOptions = {}) =>
  openLedger(pool, { retried: (cause) => retries.push(cause), ...bounds });

beforeAll(async () => {
  database = await createTestDatabase();
  pool = openLedgerPool(database.url);
});

beforeEach(() => {
  retries = [];
  ledger = newLedger();
});

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

let nextProduct = 0;

const within = (ms: number) => performance.now() + ms;
const submit = (each: Command, ms = 20_000) => ledger.submit(each, within(ms));
const submitBatch = (mode: BatchMode, ...commands: Command[]) =>
  ledger.submitBatch({ mode, commands }, within(20_000));

/** A stock of its own with so many units. */
const newStock = async (quantity: number): Promise<string> => {
  const productId = `P-${nextProduct++}`;
  await submit(command('RESTOCK', productId, quantity));
  return productId;
};

const query = async (text: string, values: unknown[] = []) =>
  (await withConnection(database.url, (client) => client.query(text, values))).rows;

const netOf = async (productId: string): Promise<number> =>
  (await query('SELECT net FROM stock WHERE product_id = $1', [productId]))[0].net;

const quantityAfter = (outcome: Outcome): number | string =>
  outcome.kind === 'DECIDED' ? outcome.event.netAfter : outcome.kind;

/** Somebody else's transaction, which has locked the stock. */
const lockStock = async (productId: string) => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM stock WHERE product_id = $1 FOR UPDATE', [productId]);
  return {
    release: async () => {
      await client.query('ROLLBACK');
      await client.end();
    },
  };
};

describe('a stock that somebody else has locked', () => {
  test('holds up only its own commands, which then run in their order', async () => {
    const [held, free] = [await newStock(10), await newStock(10)];
    const lock = await lockStock(held);
    const order: string[] = [];
    const sell = async (name: string, productId: string) => {
      const outcome = await submit(command('SALE', productId, 1));
      order.push(name);
      return quantityAfter(outcome);
    };
    const first = [sell('held 1', held), sell('free 1', free)];
    await first[1];
    // The siding has it now; what comes for the same stock joins it, everything else goes on as ever.
    const second = [sell('held 2', held), sell('free 2', free), sell('free 3', free)];
    await Promise.all(second.slice(1));
    expect(order).toEqual(['free 1', 'free 2', 'free 3']);
    expect(retries.filter((cause) => cause !== 'LOCK_TIMEOUT')).toEqual([]);
    await lock.release();
    expect(await Promise.all([first[0], second[0]])).toEqual([9, 8]);
    expect(await netOf(free)).toBe(7);
  });

  test('does not keep its commands beyond their deadline, and nothing of them takes effect later', async () => {
    const held = await newStock(10);
    const lock = await lockStock(held);
    const sale = command('SALE', held, 1);
    await expect(submit(sale, 800)).rejects.toMatchObject({
      reason: 'DEADLINE_EXCEEDED',
      metadata: { event_id: sale.eventId },
    });
    await lock.release();
    await ledger.drain();
    expect(await netOf(held)).toBe(10);
    expect(await query('SELECT FROM event_log WHERE event_id = $1', [sale.eventId])).toEqual([]);
  });

  test('holds up a batch that needs it, and no other batch', async () => {
    const [held, free] = [await newStock(10), await newStock(10)];
    const lock = await lockStock(held);
    const both = submitBatch('ATOMIC', command('SALE', free, 1), command('SALE', held, 1));
    const other = submitBatch('ATOMIC', command('SALE', free, 2), command('RESTOCK', `${free}-new`, 1));
    expect((await other).map(quantityAfter)).toEqual([8, 1]);
    await lock.release();
    expect((await both).map(quantityAfter)).toEqual([7, 9]);
  });
});

describe('a command that the database cannot take', () => {
  const poison = 'POISON';

  beforeAll(async () => {
    await query(`ALTER TABLE event_log ADD CONSTRAINT no_poison CHECK (product_id <> '${poison}')`);
  });
  afterAll(async () => {
    await query('ALTER TABLE event_log DROP CONSTRAINT no_poison');
  });

  test('fails alone among those that came with it', async () => {
    const productId = await newStock(10);
    const sales = Array.from({ length: 9 }, () => submit(command('SALE', productId, 1)));
    const poisoned = submit(command('RESTOCK', poison, 1));
    await expect(poisoned).rejects.toMatchObject({ reason: 'INTERNAL', message: 'Internal error' });
    expect((await Promise.all(sales)).map(quantityAfter)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  test('fails alone in an INDEPENDENT batch, and takes an ATOMIC one with it', async () => {
    const productId = await newStock(10);
    const outcomes = await submitBatch(
      'INDEPENDENT',
      command('SALE', productId, 1),
      command('RESTOCK', poison, 1),
      command('SALE', productId, 1),
    );
    expect(outcomes.map(quantityAfter)).toEqual([9, 'NOT_RUN', 8]);
    const atomic = submitBatch('ATOMIC', command('SALE', productId, 1), command('RESTOCK', poison, 1));
    await expect(atomic).rejects.toMatchObject({ reason: 'INTERNAL' });
    expect(await netOf(productId)).toBe(8);
  });
});

describe('a stock that others make while a batch waits for another one is there for all of the batch, or for none', () => {
  /** Waits for the lock of one stock while another one is made, under this event id. */
  const batchBesideMaker = async (eventId: string, saleId: string) => {
    const [held, made] = [await newStock(10), `P-${nextProduct++}`];
    const lock = await lockStock(held);
    const batch = submitBatch(
      'INDEPENDENT',
      command('SALE', held, 1),
      command('SALE', made, 1, { eventId: saleId }),
      command('SALE', made, 1),
    );
    const waits = await poll(async () => {
      const rows = await query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      return rows.length > 0 ? true : undefined;
    }, 10_000);
    expect(waits).toBe(true);
    await submit(command('RESTOCK', made, 5, { eventId }));
    await lock.release();
    return (await batch).map(quantityAfter);
  };

  test('where one of its event ids was taken by that', async () => {
    const eventId = uuidV7();
    expect(await batchBesideMaker(eventId, eventId)).toEqual([9, 'EVENT_ID_REUSED', 4]);
  });

  test('where none was', async () => {
    expect(await batchBesideMaker(uuidV7(), uuidV7())).toEqual([9, 4, 3]);
  });
});

test('a connection that is ended under a transaction is another try', async () => {
  const productId = await newStock(10);
  const lock = await lockStock(productId);
  const sale = submit(command('SALE', productId, 1));
  // The sale waits for the lock; its backend is ended there.
  const ended = await poll(async () => {
    const rows = await query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.length > 0 ? true : undefined;
  }, 10_000);
  expect(ended).toBe(true);
  await lock.release();
  expect(quantityAfter(await sale)).toBe(9);
  expect(retries).toContain('UNAVAILABLE');
});

test('counts of the past keep what was sold and brought since', async () => {
  const productId = await newStock(100);
  const [{ time }] = await query('SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint AS time');
  await submit(command('SALE', productId, 7));
  const at = (quantity: number, occurredTimeUs: number) =>
    submitBatch('ATOMIC', command('COUNT', productId, quantity, { occurredTimeUs }));
  const countedUs = Number(time);
  expect((await at(50, countedUs)).map(quantityAfter)).toEqual([43]);
  const [older] = await at(90, countedUs - 1_000);
  expect(older).toMatchObject({ event: { effect: 'ABSORBED', status: 'SUCCESS', netAfter: 43 } });
  const [oversold] = await at(5, countedUs + 1);
  expect(oversold).toMatchObject({ event: { effect: 'OVERSOLD', netAfter: -2 } });
  const [sums] = await query(
    `SELECT sum(applied_delta)::int AS deltas, count(*) FILTER (WHERE effect IN ('APPLIED', 'OVERSOLD'))::int AS changes
     FROM event_log WHERE product_id = $1`,
    [productId],
  );
  expect(sums).toEqual({ deltas: -2, changes: 4 });
});

test('a refused ATOMIC batch is the same for ever, also where it would have made stocks', async () => {
  const productId = await newStock(8);
  const batch = [
    command('SALE', productId, 5),
    command('SALE', productId, 5),
    command('RESTOCK', `${productId}-new`, 1),
  ];
  const reasons = (outcomes: readonly Outcome[]) =>
    outcomes.map((outcome) => (outcome.kind === 'DECIDED' ? outcome.event.reason : outcome.kind));
  const first = await submitBatch('ATOMIC', ...batch);
  expect(reasons(first)).toEqual(['BATCH_REFUSED', 'INSUFFICIENT_STOCK', 'BATCH_REFUSED']);
  await submit(command('RESTOCK', productId, 100));
  const again = await submitBatch('ATOMIC', ...batch);
  expect(reasons(again)).toEqual(reasons(first));
  expect(again[1]).toMatchObject({ replayed: true, event: { netBefore: 8, judgedNet: 3 } });
  expect(await netOf(productId)).toBe(108);
});

test('beyond the bound of the queue commands are refused at once; a batch larger than it goes alone', async () => {
  const productId = await newStock(100);
  ledger = newLedger({ queueLimit: 5 });
  const sales = Array.from({ length: 7 }, () => submit(command('SALE', productId, 1)));
  const settled = await Promise.allSettled(sales);
  expect(settled.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 5 }, () => 'fulfilled'),
    'rejected',
    'rejected',
  ]);
  expect(settled[6]).toMatchObject({ reason: { reason: 'QUEUE_FULL' } });
  const batch = Array.from({ length: 7 }, () => command('SALE', productId, 1));
  expect((await submitBatch('ATOMIC', ...batch)).map(quantityAfter)).toEqual([94, 93, 92, 91, 90, 89, 88]);
});

test('what would wait for more than half of its time is refused at once, and the others are in time', async () => {
  await query(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END $$`);
  await query('CREATE TRIGGER slow AFTER INSERT ON event_log FOR EACH STATEMENT EXECUTE FUNCTION slow()');
  try {
    ledger = newLedger({ batchLimit: 1 });
    const productId = await newStock(1_000);
    for (let sale = 0; sale < 10; sale++) await submit(command('SALE', productId, 1));
    const sales = Array.from({ length: 100 }, () => submit(command('SALE', productId, 1), 4_000));
    const settled = await Promise.allSettled(sales);
    const reasons = settled.map((one) => (one.status === 'rejected' ? one.reason.reason : 'DONE'));
    const done = reasons.indexOf('QUEUE_FULL');
    expect(done).toBeGreaterThan(1);
    expect(reasons).toEqual(reasons.map((_, index) => (index < done ? 'DONE' : 'QUEUE_FULL')));
    // Whoever can wait longer is taken.
    await expect(submit(command('SALE', productId, 1), 20_000)).resolves.toMatchObject({ kind: 'DECIDED' });
  } finally {
    await query('DROP TRIGGER slow ON event_log');
  }
});

test('after drain nothing is taken', async () => {
  await ledger.drain();
  await expect(submit(command('SALE', 'P', 1))).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' });
});
