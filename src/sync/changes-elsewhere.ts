import { keyOf } from '../domain/judge-submissions.js';
import type { StockChange } from '../domain/types.js';
import type { WatchBatch } from '../feed/watch.js';
import type { OwnSequences } from './own-sequences.js';
import type { StocksChanged } from './store-message.js';

/** Stocks in one message. */
const STOCKS_LIMIT = 500;

/** A stock as it is now, and whether it changed by something else than the store's own log. */
interface Newest {
  readonly change: StockChange;
  readonly elsewhere: boolean;
}

/**
 * Makes of a store's changes what the store has to know: the newest state of each stock that something else than its own
 * log has changed. A stock is sent only once all of its changes up to the same place have been seen, so that one number
 * tells which own messages are in it.
 */
export class ChangesElsewhere {
  readonly #newest = new Map<string, Newest>();

  constructor(private readonly own: OwnSequences) {}

  /** What to send for a batch: the last message has the cursor, if the batch ends at one. */
  take({ phase, changes, mark }: WatchBatch): StocksChanged[] {
    for (const { change, skippedVersions } of changes) this.#put(change, skippedVersions > 0);
    const complete = phase === 'LIVE' || changes.length === 0;
    const includedSequence =
      phase === 'LIVE'
        ? this.own.includedNow(mark?.sentMs ?? 0)
        : this.own.includedIn(changes.map(({ change }) => change));
    const stocks = this.#takeStocks(complete ? 0 : 1);
    const cursor = complete ? mark?.cursor : undefined;
    const messages: StocksChanged[] = [];
    for (let first = 0; first < stocks.length; first += STOCKS_LIMIT) {
      const part = stocks.slice(first, first + STOCKS_LIMIT);
      messages.push({ kind: 'CHANGE', changes: part, includedSequence, cursor: undefined });
    }
    const last = messages.pop() ?? { kind: 'CHANGE', changes: [], includedSequence };
    return [...messages, { ...last, cursor }];
  }

  #put(change: StockChange, skipped: boolean): void {
    const key = keyOf(change.storeId, change.productId);
    // What was skipped may have been anything.
    const elsewhere = skipped || !this.own.isOwn(change) || this.#newest.get(key)?.elsewhere === true;
    this.#newest.delete(key);
    this.#newest.set(key, { change, elsewhere });
  }

  /** Of all but the last few, of which more changes may come. */
  #takeStocks(kept: number): StockChange[] {
    const taken: StockChange[] = [];
    for (const [key, { change, elsewhere }] of this.#newest) {
      if (this.#newest.size <= kept) break;
      this.#newest.delete(key);
      if (elsewhere) taken.push(change);
    }
    return taken;
  }
}
