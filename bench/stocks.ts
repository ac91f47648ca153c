import type { StockKey } from '../src/domain/types.js';
import type { Spread } from './load-plan.js';
import { Zipf } from './zipf.js';

/**
 * The stocks of the benchmark: 100 stores x 1,000 products. Their names end in numbers of one length, so that pgbench,
 * which knows only numbers, can make them too.
 */
export const STORES = { prefix: 'STORE_', first: 101, last: 200 } as const;
export const PRODUCTS = { prefix: 'PROD_', first: 1001, last: 2000 } as const;

const STORE_COUNT = STORES.last - STORES.first + 1;
const PRODUCT_COUNT = PRODUCTS.last - PRODUCTS.first + 1;
const ZIPF = new Zipf(STORE_COUNT * PRODUCT_COUNT, 0.99);

/** The stock of the cases with one product. */
export const ONE: StockKey = {
  storeId: `${STORES.prefix}${STORES.first}`,
  productId: `${PRODUCTS.prefix}${PRODUCTS.first}`,
};

/** The stock of the next request. */
export function nextStock(spread: Spread): StockKey {
  if (spread === 'one product') return ONE;
  if (spread === 'zipf') return stockAt(ZIPF.rankAt(Math.random()));
  return { storeId: nameOf(STORES), productId: nameOf(PRODUCTS) };
}

/** Neighbours in likelihood are of different stores. */
function stockAt(rank: number): StockKey {
  const store = STORES.first + (rank % STORE_COUNT);
  const product = PRODUCTS.first + Math.floor(rank / STORE_COUNT);
  return { storeId: `${STORES.prefix}${store}`, productId: `${PRODUCTS.prefix}${product}` };
}

/** Every one of them. */
export function* allStocks(): Generator<StockKey> {
  for (let store = STORES.first; store <= STORES.last; store++) {
    for (let product = PRODUCTS.first; product <= PRODUCTS.last; product++) {
      yield { storeId: `${STORES.prefix}${store}`, productId: `${PRODUCTS.prefix}${product}` };
    }
  }
}

function nameOf({ prefix, first, last }: { prefix: string; first: number; last: number }): string {
  return `${prefix}${first + Math.floor(Math.random() * (last - first + 1))}`;
}
