import { useCallback, useState } from 'preact/hooks';
import type { Stock } from '../contract.js';

/**
 * The newest version of every stock that any answer has shown. A list may come from a replica that has not got the sale
 * of a moment ago: a row never shows less than the page knows.
 */
export interface NewestStocks {
  note(stock: Stock | undefined): void;
  /** This stock, or a newer version of it. */
  of(stock: Stock): Stock;
  versionOf(storeId: string, productId: string): bigint;
}

const keyOf = (storeId: string, productId: string) => JSON.stringify([storeId, productId]);

export function useNewestStocks(): NewestStocks {
  const [stocks, setStocks] = useState<ReadonlyMap<string, Stock>>(new Map());
  const note = useCallback((stock: Stock | undefined) => {
    if (stock === undefined) return;
    setStocks((before) => {
      const key = keyOf(stock.storeId, stock.productId);
      const known = before.get(key);
      return known !== undefined && known.version >= stock.version ? before : new Map(before).set(key, stock);
    });
  }, []);
  const find = (storeId: string, productId: string) => stocks.get(keyOf(storeId, productId));
  return {
    note,
    of: (stock) => {
      const known = find(stock.storeId, stock.productId);
      return known !== undefined && known.version > stock.version ? known : stock;
    },
    versionOf: (storeId, productId) => find(storeId, productId)?.version ?? 0n,
  };
}
