import type { StockKey, StockRow } from '../domain/types.js';
import { textArray } from './array-literal.js';
import { type StockColumns, toStockRow } from './ledger-statements.js';
import { BEAT, type ReadFrom, readSnapshot, type Snapshot } from './snapshot.js';

/** Reads of the stock table. Placeholders (version 0) are not stocks yet. */

/** Stocks and the heartbeat of the snapshot that they were read in. */
export interface StockSnapshot extends Snapshot {
  readonly stocks: StockRow[];
}

const COLUMNS = 's.store_id, s.product_id, s.net, s.version, s.create_time, s.update_time';

const GET = {
  name: 'get_stock',
  text: `SELECT ${BEAT}, ${COLUMNS} FROM heartbeat h
    LEFT JOIN stock s ON s.store_id = $1 AND s.product_id = $2 AND s.version > 0`,
};

const BATCH_GET = {
  name: 'batch_get_stocks',
  text: `SELECT ${BEAT}, ${COLUMNS} FROM heartbeat h
    LEFT JOIN (SELECT stock.* FROM unnest($1::text[], $2::text[]) AS k (store_id, product_id)
      JOIN stock USING (store_id, product_id) WHERE stock.version > 0) s ON true`,
};

const LIST_BY_STORE = {
  name: 'list_by_store',
  text: `SELECT ${BEAT}, ${COLUMNS} FROM heartbeat h
    LEFT JOIN (SELECT * FROM stock WHERE store_id = $1 AND product_id > $2 AND version > 0
      ORDER BY product_id LIMIT $3) s ON true ORDER BY s.product_id`,
};

const LIST_BY_PRODUCT = {
  name: 'list_by_product',
  text: `SELECT ${BEAT}, ${COLUMNS} FROM heartbeat h
    LEFT JOIN (SELECT * FROM stock WHERE product_id = $1 AND store_id > $2 AND version > 0
      ORDER BY store_id LIMIT $3) s ON true ORDER BY s.store_id`,
};

/** Of several products, which must be distinct and in order: those of the first one after a store, then the others'. */
const LIST_BY_PRODUCTS = {
  name: 'list_by_products',
  text: `SELECT ${BEAT}, ${COLUMNS} FROM heartbeat h
    LEFT JOIN (SELECT one.* FROM unnest($1::text[]) WITH ORDINALITY AS p (product_id, nth)
      CROSS JOIN LATERAL (SELECT * FROM stock
        WHERE product_id = p.product_id AND store_id > CASE WHEN nth = 1 THEN $2 ELSE '' END AND version > 0
        ORDER BY store_id LIMIT $3) one
      ORDER BY p.nth, one.store_id LIMIT $3) s ON true`,
};

/** Which stocks to list: those of a store, those of a product, or the one of both. */
export type ListFilter =
  | { readonly storeId: string; readonly productId?: undefined }
  | { readonly storeId?: undefined; readonly productId: string }
  | { readonly storeId: string; readonly productId: string };

/** One stock, if it exists. */
export const readStock = (from: ReadFrom, key: StockKey): Promise<StockSnapshot> =>
  read(from, GET, [key.storeId, key.productId]);

/** Those of the stocks that exist, in no order. The keys must be distinct. */
export const readStocks = (from: ReadFrom, keys: readonly StockKey[]): Promise<StockSnapshot> =>
  read(from, BATCH_GET, [
    textArray(keys.map((key) => key.storeId)),
    textArray(keys.map((key) => key.productId)),
  ]);

/** At most `limit` stocks after a key, in key order. */
export function listStocks(
  from: ReadFrom,
  filter: ListFilter,
  after: StockKey | undefined,
  limit: number,
): Promise<StockSnapshot> {
  const { storeId, productId } = filter;
  if (storeId === undefined) return read(from, LIST_BY_PRODUCT, [productId, after?.storeId ?? '', limit]);
  if (productId === undefined) return read(from, LIST_BY_STORE, [storeId, after?.productId ?? '', limit]);
  return readStock(from, { storeId, productId });
}

/** At most `limit` stocks of these products, by product, then by store, beginning after a store of the first one. */
export const listStocksOfProducts = (
  from: ReadFrom,
  productIds: readonly string[],
  afterStoreId: string,
  limit: number,
): Promise<StockSnapshot> => read(from, LIST_BY_PRODUCTS, [textArray(productIds), afterStoreId, limit]);

async function read(
  from: ReadFrom,
  statement: { name: string; text: string },
  values: unknown[],
): Promise<StockSnapshot> {
  const { rows, snapshot } = await readSnapshot<StockColumns>(from, statement, values);
  return { ...snapshot, stocks: rows.map(toStockRow) };
}
