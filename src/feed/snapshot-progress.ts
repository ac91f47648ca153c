import { compareByProduct } from '../domain/id-order.js';
import { keyOf } from '../domain/judge-submissions.js';
import type { StockChange, StockKey, StockRow } from '../domain/types.js';
import { PendingChanges } from './pending-changes.js';

/** A part of a watcher's snapshot: the stocks of its filter up to a key, by product, then by store. */
export interface SnapshotPage {
  readonly stocks: readonly StockRow[];
  readonly beat: bigint;
  /** Up to here the stocks have been read; undefined where all have. */
  readonly end: StockKey | undefined;
}

/** Polls from this many beats later on deliver nothing that the page held already, whichever server it was read from. */
const BEATS_TO_INCLUDE = 2n;

/**
 * Which changes a watcher needs whose snapshot is being read page by page. A stock that has not been read yet needs none:
 * its page will be read later, and hold them. What comes while a page is under way waits for that page. Of stocks that have
 * been read those are left out that their page held already.
 */
export class SnapshotProgress {
  #end: StockKey | 'NOTHING' | 'ALL' = 'NOTHING';
  #reading = false;
  readonly #held = new PendingChanges();
  readonly #versions = new Map<string, bigint>();
  /** The pages whose versions are still kept. */
  #pages: { readonly beat: bigint; readonly keys: readonly string[] }[] = [];

  /** Everything has been read, and nothing that was read can come again. */
  get over(): boolean {
    return this.#end === 'ALL' && this.#pages.length === 0;
  }

  get overflowing(): boolean {
    return this.#held.overflowing;
  }

  /** A page is about to be read. */
  begin(): void {
    this.#reading = true;
  }

  /** A page has been read; what came meanwhile and was not in it now waits with the rest. */
  covered({ stocks, beat, end }: SnapshotPage, pending: PendingChanges): void {
    this.#reading = false;
    this.#end = end ?? 'ALL';
    const keys = stocks.map((stock) => keyOf(stock.storeId, stock.productId));
    for (const [index, stock] of stocks.entries()) this.#versions.set(keys[index]!, stock.version);
    this.#pages.push({ beat, keys });
    this.#held.moveTo(pending, (change) => (this.#covers(change) ? this.#versionOf(change) : 'DROP'));
  }

  /** Whether the watcher needs this change now. */
  needs(change: StockChange): boolean {
    if (this.#covers(change)) return change.version > this.#versionOf(change);
    if (this.#reading) this.#held.add(change);
    return false;
  }

  /** Polls up to this beat have been delivered. */
  delivered(beat: bigint): void {
    const isOver = (page: { beat: bigint }) => beat >= page.beat + BEATS_TO_INCLUDE;
    for (const page of this.#pages.filter(isOver)) for (const key of page.keys) this.#versions.delete(key);
    this.#pages = this.#pages.filter((page) => !isOver(page));
  }

  #covers(key: StockKey): boolean {
    if (this.#end === 'ALL') return true;
    return this.#end !== 'NOTHING' && compareByProduct(key, this.#end) <= 0;
  }

  #versionOf(change: StockChange): bigint {
    return this.#versions.get(keyOf(change.storeId, change.productId)) ?? 0n;
  }
}
