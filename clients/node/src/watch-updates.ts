import type { Timestamp } from './gen/google/protobuf/timestamp.js';
import type { Stock } from './gen/inventory/v1/inventory.js';
import type { StockChange, WatchResponse } from './gen/inventory/v1/inventory_service.js';
import type { OnhandError } from './onhand-error.js';

/** What a watch tells. `cursor`, where it is not empty, is where a later watch of the same stocks goes on. */
export type WatchUpdate =
  /** Stocks as they are. All of them have come once `complete` is true. */
  | {
      readonly kind: 'snapshot';
      readonly stocks: Stock[];
      readonly complete: boolean;
      readonly cursor: string;
    }
  /** What changed: each change once, those of one stock in version order. */
  | {
      readonly kind: 'changes';
      readonly changes: StockChange[];
      readonly cursor: string;
      readonly watermark: Timestamp | undefined;
    }
  /** Nothing changed: every change committed up to `watermark` has been given. */
  | { readonly kind: 'current'; readonly cursor: string; readonly watermark: Timestamp | undefined }
  /** The connection broke; it is made again by itself, and what happened meanwhile comes. */
  | { readonly kind: 'interrupted'; readonly error: OnhandError }
  /** Not all changes can be given any more: forget the stocks, a whole snapshot comes next. */
  | { readonly kind: 'resync'; readonly error: OnhandError };

const REMEMBERED = 100_000;

/** Makes updates of the messages of one stream or several that follow each other. */
export class WatchUpdates {
  /** The newest version that was given of each stock; of very many only those that changed last. */
  readonly #versions = new Map<string, bigint>();

  of({ stocks, changes, snapshotComplete, cursor, watermark }: WatchResponse): WatchUpdate {
    if (stocks.length > 0 || snapshotComplete)
      return { kind: 'snapshot', stocks, complete: snapshotComplete, cursor };
    const fresh = changes.filter((change) => this.#isNew(change.stock));
    if (fresh.length > 0) return { kind: 'changes', changes: fresh, cursor, watermark };
    return { kind: 'current', cursor, watermark };
  }

  forget(): void {
    this.#versions.clear();
  }

  /** After a reconnect the service may give a change again. */
  #isNew(stock: Stock | undefined): boolean {
    if (stock === undefined) return false;
    const key = `${stock.storeId}\0${stock.productId}`;
    const seen = this.#versions.get(key) ?? 0n;
    if (stock.version <= seen) return false;
    this.#versions.delete(key);
    this.#versions.set(key, stock.version);
    if (this.#versions.size > REMEMBERED) this.#versions.delete(this.#versions.keys().next().value as string);
    return true;
  }
}
