import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { v4 as uuidv4 } from 'uuid';
import { withConnection } from '../../src/dev/postgres-session.js';
import { SeededRandom } from './seeded-random.js';

/**
 * Several writers with transactions of every kind, straight into the database: some take their number long before they
 * write, some stay open long after, some are rolled back. So numbers, commits and versions come in different orders.
 */

const WRITERS = 6;
const TRANSACTIONS = 60;
const STOCKS = 5;
const STORES = ['S1', 'S2'];

const RAISE = `UPDATE stock SET version = version + 1, net = net + 1 WHERE store_id = $1 AND product_id = $2
  RETURNING version`;
const RECORD = `INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, reason, requested_delta,
    applied_delta, net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint)
  SELECT $1, $2, $3, 'RESTOCK', CASE WHEN applied THEN 'SUCCESS' ELSE 'FAILED' END::event_status, $5::effect,
    CASE WHEN NOT applied THEN 'STOCK_LIMIT' END, 1, applied::integer, 0, applied::integer, $4, now(), now(), now(), 'test',
    'SYSTEM', ''
  FROM (SELECT $5::effect = 'APPLIED') AS a (applied)`;

/** Runs the writers to their end. @returns an event that was committed after all others. */
export async function writeAtRandom(databaseUrl: string, seed: number): Promise<string> {
  await withConnection(databaseUrl, (client) =>
    client.query(
      `INSERT INTO stock (store_id, product_id) SELECT s, format('P%s', p)
       FROM unnest($1::text[]) s, generate_series(1, $2) p ON CONFLICT DO NOTHING`,
      [STORES, STOCKS],
    ),
  );
  const writers = Array.from({ length: WRITERS }, (_, index) =>
    withConnection(databaseUrl, async (client) => {
      const random = new SeededRandom(seed * 1_000 + index);
      for (let count = 0; count < TRANSACTIONS; count++) await runTransaction(client, random);
    }),
  );
  await Promise.all([...writers, withConnection(databaseUrl, (client) => holdOpen(client))]);
  return await withConnection(databaseUrl, (client) => recordOne(client, 'S0', 'LAST', '1', 'APPLIED'));
}

async function runTransaction(client: pg.Client, random: SeededRandom): Promise<void> {
  await client.query('BEGIN');
  if (random.chance(0.5)) {
    await client.query('SELECT pg_current_xact_id()');
    await pause(random.below(20));
  }
  const store = random.pick(STORES);
  const first = 1 + random.below(STOCKS);
  // In the order of their keys, so that no two transactions wait for each other.
  for (let product = first; product <= Math.min(first + random.below(3), STOCKS); product++) {
    if (random.chance(0.1)) await recordOne(client, store, `P${product}`, '1', 'REFUSED');
    else {
      const { rows } = await client.query(RAISE, [store, `P${product}`]);
      await recordOne(client, store, `P${product}`, rows[0].version, 'APPLIED');
    }
  }
  if (random.chance(0.3)) await pause(random.below(random.chance(0.1) ? 150 : 15));
  await client.query(random.chance(0.2) ? 'ROLLBACK' : 'COMMIT');
}

/** A transaction that has written, and commits only when many polls have passed by. */
async function holdOpen(client: pg.Client): Promise<void> {
  await client.query('BEGIN');
  await recordOne(client, 'S0', 'HELD', '1', 'APPLIED');
  await pause(600);
  await client.query('COMMIT');
}

async function recordOne(
  client: pg.Client,
  store: string,
  product: string,
  version: string,
  effect: string,
): Promise<string> {
  const eventId = uuidv4();
  await client.query(RECORD, [store, eventId, product, version, effect]);
  return eventId;
}
