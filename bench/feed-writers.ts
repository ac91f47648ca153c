import { setTimeout as delay } from 'node:timers/promises';
import { withConnection } from '../src/dev/postgres-session.js';
import { cpuSecondsOf, nowMs } from './process-clocks.js';
import { PRODUCTS, STORES } from './stocks.js';

const WRITERS = 4;
const BATCH = 200;

/** Sales of many products of a store in one transaction; each event has its stock's next version. */
const SELL = {
  name: 'sell',
  text: `
  WITH sold AS (
    UPDATE stock SET net = net - 1, version = version + 1, update_time = clock_timestamp()
    WHERE store_id = $1 AND product_id BETWEEN $2 AND $3
    RETURNING store_id, product_id, net, version)
  INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, requested_delta, applied_delta, net_before,
    net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint)
  SELECT store_id, gen_random_uuid(), product_id, 'SALE', 'SUCCESS', 'APPLIED', -1, -1, net + 1,
    net, version, now(), now(), now(), $4, 'SYSTEM', 'SALE:1:' || product_id FROM sold`,
};

/** What was written: when the answer to each transaction's commit came, by the actor of its events. */
export interface Written {
  readonly commits: ReadonlyMap<string, number>;
  readonly events: number;
  readonly seconds: number;
  /** Processor time of the server for it. */
  readonly cpuSeconds: number;
}

/** Writes so many events a second, or as many as the server takes. @throws what the server says. */
export async function writeEvents(databaseUrl: string, perSecond: number, seconds: number): Promise<Written> {
  const commits = new Map<string, number>();
  const startMs = nowMs();
  const periodMs = (1000 * WRITERS * BATCH) / perSecond;
  let events = 0;
  let cpuSeconds = 0;
  const write = (writer: number) =>
    withConnection(databaseUrl, async (client) => {
      for (let count = 0; nowMs() < startMs + seconds * 1000; count++) {
        await delay(Math.max(startMs + (count + writer / WRITERS) * periodMs - nowMs(), 0));
        const actor = `${writer}-${count}`;
        const { rowCount } = await client.query({ ...SELL, values: [...stocksOf(writer, count), actor] });
        commits.set(actor, nowMs());
        events += rowCount ?? 0;
      }
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      cpuSeconds += cpuSecondsOf(rows[0]!.pid);
    });
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  return { commits, events, seconds: (nowMs() - startMs) / 1000, cpuSeconds };
}

/** Stores of its own for each writer, so that none waits for another; of each store's products some at a time. */
function stocksOf(writer: number, count: number): [store: string, firstProduct: string, lastProduct: string] {
  const stores = Math.floor((STORES.last - STORES.first + 1) / WRITERS);
  const parts = Math.floor((PRODUCTS.last - PRODUCTS.first + 1) / BATCH);
  const store = STORES.first + writer * stores + (Math.floor(count / parts) % stores);
  const product = PRODUCTS.first + (count % parts) * BATCH;
  return [
    `${STORES.prefix}${store}`,
    `${PRODUCTS.prefix}${product}`,
    `${PRODUCTS.prefix}${product + BATCH - 1}`,
  ];
}
