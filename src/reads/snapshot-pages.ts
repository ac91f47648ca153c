import type { StockKey, StockRow } from '../domain/types.js';
import {
  listStocks,
  listStocksOfProducts,
  readStocks,
  type StockSnapshot,
} from '../postgres/stock-statements.js';
import type { DatabaseReads } from './database-reads.js';
import type { Read } from './source-search.js';

/** The stocks of a store, of products, or of products in a store. */
export interface SnapshotFilter {
  readonly storeId: string | undefined;
  /** Distinct, in the order of ids; none means all of the store. */
  readonly productIds: readonly string[];
}

/** Stocks by product, then by store. */
export interface StockPage {
  readonly stocks: readonly StockRow[];
  readonly beat: bigint;
  /** Up to here every stock has been read; undefined where all have. */
  readonly end: StockKey | undefined;
}

export const SNAPSHOT_PAGE_SIZE = 500;

/**
 * The next page after a key that holds everything that a snapshot of the primary with the beat `sinceBeat` held.
 *
 * @throws InventoryError DATABASE_UNAVAILABLE.
 */
export async function readSnapshotPage(
  reads: DatabaseReads,
  filter: SnapshotFilter,
  { after, sinceBeat, deadlineMs }: { after: StockKey | undefined; sinceBeat: bigint; deadlineMs: number },
): Promise<StockPage> {
  const { storeId, productIds } = filter;
  const page = (read: Read<StockSnapshot>) => reads.snapshotPage(read, sinceBeat, deadlineMs);
  if (storeId !== undefined && productIds.length > 0) {
    const first = after === undefined ? 0 : productIds.indexOf(after.productId) + 1;
    const wanted = productIds.slice(first, first + SNAPSHOT_PAGE_SIZE);
    const { stocks, beat } = await page((from) =>
      readStocks(
        from,
        wanted.map((productId) => ({ storeId, productId })),
      ),
    );
    const isLast = first + wanted.length === productIds.length;
    return { stocks, beat, end: isLast ? undefined : { storeId, productId: wanted.at(-1)! } };
  }
  const left = after === undefined ? productIds : productIds.slice(productIds.indexOf(after.productId));
  const { stocks, beat } = await page((from) =>
    storeId === undefined
      ? listStocksOfProducts(from, left, after?.storeId ?? '', SNAPSHOT_PAGE_SIZE)
      : listStocks(from, { storeId }, after, SNAPSHOT_PAGE_SIZE),
  );
  return { stocks, beat, end: stocks.length < SNAPSHOT_PAGE_SIZE ? undefined : stocks.at(-1) };
}
