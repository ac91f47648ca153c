import type { Client } from 'pg';
import { withConnection } from '../../src/dev/postgres-session.js';
import { OPENING_ACTOR } from './audit.js';
import { productIds, type StockSet, storeIds } from './load-plan.js';

const OPEN = `
  WITH opened AS (
    INSERT INTO stock (store_id, product_id, net, version)
    SELECT s, p, $3, 1 FROM unnest($1::text[]) AS s, unnest($2::text[]) AS p RETURNING *)
  INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, requested_delta, applied_delta,
      net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint)
    SELECT store_id, gen_random_uuid(), product_id, 'RESTOCK', 'SUCCESS', 'APPLIED', net, net, 0, net, version,
      create_time, create_time, create_time, $4, 'SYSTEM', 'RESTOCK:' || net || ':' || product_id
    FROM opened`;

/** Makes all stocks of a set, each with the event that filled it. */
export async function openStocks(databaseUrl: string, stocks: StockSet, quantity: number): Promise<void> {
  await withConnection(databaseUrl, (client) =>
    insertStocks(client, storeIds(stocks), productIds(stocks), quantity),
  );
}

/** The same for each of these products in each of these stores, within the client's transaction. */
export async function insertStocks(
  client: Pick<Client, 'query'>,
  stores: readonly string[],
  products: readonly string[],
  quantity: number,
): Promise<void> {
  await client.query(OPEN, [stores, products, quantity, OPENING_ACTOR]);
}
