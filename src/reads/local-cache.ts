import { LRUCache } from 'lru-cache';
import type { StockChange, StockCopy, StockRow } from '../domain/types.js';
import type { FeedListener, Position } from '../feed/tail.js';
import { firstBeatOf } from '../postgres/beat-clock.js';
import { ChangeSlots } from './change-slots.js';
import { nameOf } from './stock-copy.js';

/** The feed updates what is in here; a stock is changed in place, so that an update is no use of it. */
interface Entry {
  stock: StockRow;
}

/** Copies of stocks in this process: those read of late, kept current by the feed. */
export class LocalCache implements FeedListener {
  readonly #entries: LRUCache<string, Entry> | undefined;
  /** Everything committed up to this time, on the clock of performance.now(), has been delivered. */
  #watermarkMs: number | undefined;
  #timeline: bigint | undefined;

  /** @param limit stocks that are kept; 0 keeps none. */
  constructor(
    limit: number,
    private readonly slots = new ChangeSlots(),
  ) {
    this.#entries = limit === 0 ? undefined : new LRUCache({ max: limit });
  }

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  /**
   * At most how old, in milliseconds, the copies in here are, and those that are accepted; infinite where that is not known.
   * Asked at each read: a process that was stopped and goes on must not trust what it found out before.
   */
  get ageMs(): number {
    return this.#watermarkMs === undefined ? Number.POSITIVE_INFINITY : performance.now() - this.#watermarkMs;
  }

  /** The copy of this stock, if there is one; it is as old as `ageMs` says. */
  get(name: string): StockRow | undefined {
    return this.#entries?.get(name)?.stock;
  }

  /** Whether this copy holds every change of its stock that the feed has delivered. */
  accepts({ stock, asOf }: StockCopy): boolean {
    return this.#isOfThisTimeline(asOf) && this.slots.accepts(nameOf(stock), stock.version, asOf);
  }

  /** Takes a copy in, or not. A stock that does not exist is none to keep. */
  offer(copy: StockCopy): void {
    const { stock, asOf } = copy;
    if (this.#entries === undefined || stock.version === 0n || !this.#isOfThisTimeline(asOf)) return;
    const name = nameOf(stock);
    if (this.#refresh(name, stock)) return;
    if (this.slots.accepts(name, stock.version, asOf)) this.#entries.set(name, { stock });
  }

  /** What is in here becomes this copy, if that is newer: it was committed. */
  refresh({ stock, asOf }: StockCopy): void {
    if (this.#isOfThisTimeline(asOf)) this.#refresh(nameOf(stock), stock);
  }

  advanced(position: Position, changes: readonly StockChange[]): void {
    if (position.cursor.timeline !== this.#timeline) this.restarted(position);
    const beat = beatOf(position);
    for (const change of changes) {
      const name = nameOf(change);
      this.slots.changed(name, change.version, beat);
      this.#change(name, change);
    }
    this.#watermarkMs = position.watermarkMs;
  }

  restarted(position: Position): void {
    this.#timeline = position.cursor.timeline;
    this.#entries?.clear();
    this.slots.reset(beatOf(position));
    this.#watermarkMs = position.watermarkMs;
  }

  /** A deposed primary goes on for a while, and makes beats of its own. */
  #isOfThisTimeline(asOf: bigint): boolean {
    return this.#timeline !== undefined && asOf >= firstBeatOf(this.#timeline);
  }

  /** @returns whether the stock is in here, as new as this. */
  #refresh(name: string, stock: StockRow): boolean {
    const entry = this.#entries?.peek(name);
    if (entry === undefined) return false;
    if (stock.version > entry.stock.version) entry.stock = stock;
    return true;
  }

  #change(name: string, { netAfter, version, recordedTimeUs }: StockChange): void {
    const entry = this.#entries?.peek(name);
    if (entry === undefined || version <= entry.stock.version) return;
    entry.stock = { ...entry.stock, net: netAfter, version, updateTimeUs: recordedTimeUs };
  }
}

/** A new primary shows the old one's beats until its own first one; what it commits meanwhile may stand behind that. */
function beatOf({ cursor, beat }: Position): bigint {
  const first = firstBeatOf(cursor.timeline);
  return beat > first ? beat : first;
}
