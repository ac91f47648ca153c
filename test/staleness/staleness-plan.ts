import { productIds, type StockSet, storeIds } from '../load/load-plan.js';

/** What the client of a staleness run is asked to do. */
export interface StalenessPlan {
  readonly seed: number;
  readonly services: readonly { readonly grpcAddress: string; readonly httpUrl: string }[];
  readonly stocks: StockSet;
  /** The stocks of so many of the products are there at first, at version 1; the others are made by the first write. */
  readonly openProducts: number;
  readonly openQuantity: number;
  /** Calls, of all readers together: fewer where the services are slower. */
  readonly callsPerSecond: number;
  readonly writesPerSecond: number;
}

export interface NamedStock {
  readonly stock: number;
  readonly storeId: string;
  readonly productId: string;
}

/** All stocks of a plan, by their numbers. */
export class StockNames {
  readonly #stores: readonly string[];
  readonly #products: readonly string[];

  constructor(stocks: StockSet) {
    this.#stores = storeIds(stocks);
    this.#products = productIds(stocks);
  }

  get count(): number {
    return this.#stores.length * this.#products.length;
  }

  at(stock: number): NamedStock {
    const store = stock % this.#stores.length;
    const product = Math.floor(stock / this.#stores.length);
    return { stock, storeId: this.#stores[store]!, productId: this.#products[product]! };
  }

  numberOf({ storeId, productId }: { storeId: string; productId: string }): number {
    const place = (id: string) => Number(id.slice(id.lastIndexOf('-') + 1)) - 1;
    return place(productId) * this.#stores.length + place(storeId);
  }
}
