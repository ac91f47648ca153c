import type { StockKey } from '../domain/types.js';

/** Whose changes are watched: of a store, of products, or of products in a store. One of them is there. */
export interface WatchFilter {
  readonly storeId: string | undefined;
  /** Distinct, in the order of ids; none means all of the store. */
  readonly productIds: readonly string[];
}

/** Watchers by what they watch, so that a change finds its own without looking at the others. */
export class WatcherIndex<Watcher> {
  readonly #byStore = new Map<string, Set<Watcher>>();
  readonly #byProduct = new Map<string, Set<Watcher>>();
  readonly #byStock = new Map<string, Map<string, Set<Watcher>>>();

  add({ storeId, productIds }: WatchFilter, watcher: Watcher): void {
    if (productIds.length === 0) setIn(this.#byStore, storeId ?? '').add(watcher);
    else for (const productId of productIds) setIn(this.#productsOf(storeId), productId).add(watcher);
  }

  remove({ storeId, productIds }: WatchFilter, watcher: Watcher): void {
    if (productIds.length === 0) removeFrom(this.#byStore, storeId ?? '', watcher);
    else for (const productId of productIds) removeFrom(this.#productsOf(storeId), productId, watcher);
    if (storeId !== undefined && this.#byStock.get(storeId)?.size === 0) this.#byStock.delete(storeId);
  }

  /** Calls back for each watcher of this stock, once: a filter has one place for each stock. */
  forEach({ storeId, productId }: StockKey, found: (watcher: Watcher) => void): void {
    this.#byStore.get(storeId)?.forEach(found);
    this.#byProduct.get(productId)?.forEach(found);
    this.#byStock.get(storeId)?.get(productId)?.forEach(found);
  }

  #productsOf(storeId: string | undefined): Map<string, Set<Watcher>> {
    if (storeId === undefined) return this.#byProduct;
    let products = this.#byStock.get(storeId);
    if (products === undefined) {
      products = new Map();
      this.#byStock.set(storeId, products);
    }
    return products;
  }
}

function setIn<T>(index: Map<string, Set<T>>, key: string): Set<T> {
  let set = index.get(key);
  if (set === undefined) {
    set = new Set();
    index.set(key, set);
  }
  return set;
}

function removeFrom<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const set = index.get(key);
  set?.delete(value);
  if (set?.size === 0) index.delete(key);
}
