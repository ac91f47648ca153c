import { keyOf } from '../domain/judge-submissions.js';
import type { StockKey, StockRow } from '../domain/types.js';

/** A stock's name in the caches. */
export const nameOf = ({ storeId, productId }: StockKey): string => keyOf(storeId, productId);

/** What a snapshot shows of a stock that does not exist. */
export const absentStock = ({ storeId, productId }: StockKey): StockRow => ({
  storeId,
  productId,
  net: 0,
  version: 0n,
  createTimeUs: 0,
  updateTimeUs: 0,
});
