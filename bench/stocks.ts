import type { StockKey } from '../src/domain/types.js';
import type { Spread } from './load-plan.js';

/**
 * The stocks of the benchmark: 100 stores x 1,000 products. Their names end in numbers of one length, so that pgbench,
 * which knows only numbers, can make them too.
 */
export const STORES = { prefix: 'STORE_', first: 101, last: 200 } as const;
export const PRODUCTS = { prefix: 'PROD_', first: 1001, last: 2000 } as const;

/** The stock of the cases with one product. */
export const ONE: StockKey = {
  storeId: `${STORES.prefix}${STORES.first}`,
  productId: `${PRODUCTS.prefix}${PRODUCTS.first}`,
};

/** The stock of the next request. */
export function nextStock(spread: Spread): StockKey {
  if (spread === 'one product') return ONE;
  return { storeId: nameOf(STORES), productId: nameOf(PRODUCTS) };
}

function nameOf({ prefix, first, last }: { prefix: string; first: number; last: number }): string {
  return `${prefix}${first + Math.floor(Math.random() * (last - first + 1))}`;
}
