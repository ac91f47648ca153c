import { v5 as uuidv5 } from 'uuid';
import type { Command } from '../domain/types.js';
import { LEDGER_SESSION_SETTINGS, Ledger } from '../ledger/ledger.js';
import { createPool, type Pool } from '../postgres/pool.js';

/** The original system's demo: 100 stores, 1,000 products, 100 of each everywhere. */
const STORES = 100;
const PRODUCTS = 1_000;
const QUANTITY = 100;

const EVENT_ID_NAMESPACE = '3f0c9a52-6a0e-4d53-9d0e-6f1f3a2f7b11';
const LANES = 4;
const BATCH_LIMIT = 1_000;
/** Stores whose restocks wait at once: enough to keep all lanes full. */
const STORES_AT_ONCE = 10;
const DEADLINE_MS = 60_000;

const storeName = (store: number): string => `STORE_${String(store).padStart(3, '0')}`;
const productName = (product: number): string => `PROD_${String(product).padStart(4, '0')}`;

/**
 * Restocks the demo's 100,000 stocks through the ledger, as events like any other. The event ids follow from the names,
 * so that a run that was cut off can simply be run again; stores that are complete are passed over.
 *
 * @param onProgress told how many of how many stocks are there.
 */
export async function seedDemoData(
  databaseUrl: string,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const pool = createPool({
    url: databaseUrl,
    name: 'demo-data',
    limits: { max: LANES, min: 0, idleMs: 10_000, lifetimeMs: 600_000 },
    settings: LEDGER_SESSION_SETTINGS,
    pipeline: true,
    onError: () => undefined, // the statement that meets the broken connection reports it
  });
  try {
    await restockAll(pool, await completeStores(pool), onProgress);
  } finally {
    await pool.end();
  }
}

async function completeStores(pool: Pool): Promise<Set<string>> {
  const { rows } = await pool.query(
    'SELECT store_id FROM stock WHERE version > 0 GROUP BY store_id HAVING count(*) >= $1',
    [PRODUCTS],
  );
  return new Set(rows.map((row) => row.store_id));
}

async function restockAll(
  pool: Pool,
  complete: ReadonlySet<string>,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const observer = { batchCommitted: () => undefined, retried: () => undefined, failed: () => undefined };
  const ledger = new Ledger({
    writes: () => pool,
    lanes: LANES,
    batchLanes: 1,
    syncLanes: 1,
    queueLimit: STORES * PRODUCTS,
    batchLimit: BATCH_LIMIT,
    observer,
  });
  const stores = Array.from({ length: STORES }, (_, index) => storeName(index + 1));
  const waiting = stores.filter((store) => !complete.has(store));
  let done = (STORES - waiting.length) * PRODUCTS;
  onProgress(done, STORES * PRODUCTS);
  const worker = async () => {
    for (let store = waiting.shift(); store !== undefined; store = waiting.shift()) {
      await Promise.all(
        restocksOf(store).map((command) => ledger.submit(command, performance.now() + DEADLINE_MS)),
      );
      done += PRODUCTS;
      onProgress(done, STORES * PRODUCTS);
    }
  };
  await Promise.all(Array.from({ length: STORES_AT_ONCE }, worker));
}

function restocksOf(storeId: string): Command[] {
  return Array.from({ length: PRODUCTS }, (_, index) => {
    const productId = productName(index + 1);
    return {
      storeId,
      productId,
      eventId: uuidv5(`${storeId}|${productId}`, EVENT_ID_NAMESPACE),
      type: 'RESTOCK',
      quantity: QUANTITY,
      occurredTimeUs: undefined,
      operationReason: undefined,
      actor: 'demo',
      origin: 'SYSTEM',
      metadata: {},
    };
  });
}
