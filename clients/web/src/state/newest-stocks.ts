import { useMemo, useState } from 'preact/hooks';
import type { Stock } from '../contract.js';

const keyOf = (storeId: string, productId: string) => JSON.stringify([storeId, productId]);

/**
 * The newest version of every stock that any answer or change has shown. A list may come from a replica that has not got
 * the sale of a moment ago: a row never shows less than the page knows.
 */
export class NewestStocks {
  readonly #stocks = new Map<string, Stock>();
  #generation = 0;

  /** @param changed told when anything is newer than before. */
  constructor(private readonly changed: () => void) {}

  /** How many there are. */
  get size(): number {
    return this.#stocks.size;
  }

  /** Grows whenever all was forgotten: an answer of an earlier one is not to be trusted. */
  get generation(): number {
    return this.#generation;
  }

  /** After a failover that lost writes a newer version may be one that never was. */
  forget = (): void => {
    this.#stocks.clear();
    this.#generation++;
    this.changed();
  };

  note = (stock: Stock | undefined): void => this.noteAll(stock === undefined ? [] : [stock]);

  noteAll = (stocks: readonly Stock[]): void => {
    let news = false;
    for (const stock of stocks) {
      if (stock.version <= this.versionOf(stock.storeId, stock.productId)) continue;
      this.#stocks.set(keyOf(stock.storeId, stock.productId), stock);
      news = true;
    }
    if (news) this.changed();
  };

  /** This stock, or a newer version of it. */
  of = (stock: Stock): Stock => {
    const known = this.#stocks.get(keyOf(stock.storeId, stock.productId));
    return known !== undefined && known.version > stock.version ? known : stock;
  };

  versionOf(storeId: string, productId: string): bigint {
    return this.#stocks.get(keyOf(storeId, productId))?.version ?? 0n;
  }

  /** Whether a stock of the store is known that belongs on this page of its list, and is not there. */
  isMissingOn({ stocks, isFirst, isLast }: ListPage, storeId: string): boolean {
    const listed = new Set(stocks.map(({ productId }) => productId));
    const [first, last] = [stocks[0]?.productId ?? '', stocks.at(-1)?.productId ?? ''];
    return [...this.#stocks.values()].some(
      (known) =>
        known.storeId === storeId &&
        !listed.has(known.productId) &&
        (isFirst || known.productId > first) &&
        (isLast || known.productId < last),
    );
  }
}

/** A page of a store's stocks, in the order of their products. */
export interface ListPage {
  readonly stocks: readonly Stock[];
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export function useNewestStocks(): NewestStocks {
  const [, setTurn] = useState(0);
  return useMemo(() => new NewestStocks(() => setTurn((turn) => turn + 1)), []);
}
