import pLimit, { type LimitFunction } from 'p-limit';
import { InventoryError } from '../domain/errors.js';
import type { StockChange, StockKey, StockRow } from '../domain/types.js';
import type { DatabaseReads } from '../reads/database-reads.js';
import { readSnapshotPage, type StockPage } from '../reads/snapshot-pages.js';
import { type CatchUp, unavailable } from './catch-up.js';
import type { Cursor } from './cursor.js';
import type { FanOut } from './fan-out.js';
import type { DueChange } from './pending-changes.js';
import type { Position, Tail } from './tail.js';
import type { WatchFilter } from './watch-filter.js';
import { BATCH_LIMIT, type Mark, type Watcher, type WatcherOptions } from './watcher.js';

/** What is sent at once. */
export interface WatchBatch {
  /** CATCH_UP: changes up to a later place than the mark, by stock and version; a batch without any ends them. */
  readonly phase: 'SNAPSHOT' | 'CATCH_UP' | 'LIVE';
  /** A part of the snapshot. */
  readonly stocks: readonly StockRow[];
  readonly changes: readonly DueChange[];
  /** Undefined until the snapshot is complete. */
  readonly mark: Mark | undefined;
  /** This ends the snapshot. */
  readonly snapshotComplete: boolean;
}

/** What watching tells about itself. */
export interface WatchObserver {
  sent(changes: number, skippedVersions: number): void;
  resynced(): void;
}

export interface WatchesOptions {
  readonly tail: Tail;
  readonly fanOut: FanOut;
  readonly catchUp: CatchUp;
  readonly reads: DatabaseReads;
  /** Streams at once. */
  readonly limit: number;
  readonly observer: WatchObserver;
}

/** For a page of a snapshot, and for the feed to come on. */
const PATIENCE_MS = 5_000;
/** Streams that begin read at most so many pages at once, so that a thousand of them do not hold up all other reads. */
const PAGES_AT_ONCE = 4;
const BUSY_RETRY_MS = 1_000;

/** All streams of changes in this process. */
export class Watches {
  #open = 0;
  #draining = false;
  readonly #inTurn = pLimit(PAGES_AT_ONCE);

  constructor(private readonly options: WatchesOptions) {}

  get open(): number {
    return this.#open;
  }

  /**
   * Streams the stocks of a filter as they are, and then their changes; or, from a cursor or from now on, the changes only.
   * Ends when `signal` is aborted.
   *
   * @throws InventoryError QUEUE_FULL, RESYNC, DATABASE_UNAVAILABLE, SHUTTING_DOWN.
   */
  async *stream(
    filter: WatchFilter,
    from: Cursor | 'NOW' | undefined,
    signal: AbortSignal,
    taking: WatcherOptions = {},
  ): AsyncGenerator<WatchBatch> {
    this.throwIfClosed();
    this.#open++;
    const stream = new WatchStream({ ...this.options, inTurn: this.#inTurn, taking }, filter, signal);
    try {
      for await (const batch of stream.run(from)) {
        this.#count(batch);
        yield batch;
      }
    } catch (error) {
      if (error instanceof InventoryError && error.reason === 'RESYNC') this.options.observer.resynced();
      throw error;
    } finally {
      stream.close();
      this.#open--;
    }
  }

  /** @throws InventoryError QUEUE_FULL, SHUTTING_DOWN, where no more streams are taken now. */
  throwIfClosed(): void {
    if (this.#draining) throw shuttingDown();
    if (this.#open >= this.options.limit) {
      const message = `${this.#open} streams watch through this process already; try again, or another process`;
      throw new InventoryError('QUEUE_FULL', message, { retryDelayMs: BUSY_RETRY_MS });
    }
  }

  /** Takes no more streams; those that run get what waits for them, where to go on, and SHUTTING_DOWN. */
  drain(): void {
    this.#draining = true;
    this.options.fanOut.endAll(shuttingDown());
  }

  #count({ changes }: WatchBatch): void {
    const skipped = changes.reduce((sum, { skippedVersions }) => sum + skippedVersions, 0);
    this.options.observer.sent(changes.length, skipped);
  }
}

/** One stream, from its first message to its end. */
class WatchStream {
  #watcher: Watcher | undefined;

  constructor(
    private readonly options: WatchesOptions & {
      readonly inTurn: LimitFunction;
      readonly taking: WatcherOptions;
    },
    private readonly filter: WatchFilter,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', () => this.#watcher?.end(aborted()), { once: true });
  }

  close(): void {
    if (this.#watcher !== undefined) this.options.fanOut.remove(this.#watcher);
  }

  async *run(from: Cursor | 'NOW' | undefined): AsyncGenerator<WatchBatch> {
    try {
      const watcher = yield* this.#begin(from);
      for (;;) yield { phase: 'LIVE', stocks: [], snapshotComplete: false, ...(await watcher.next()) };
    } catch (error) {
      if (!this.signal.aborted) throw error;
    }
  }

  #begin(from: Cursor | 'NOW' | undefined): AsyncGenerator<WatchBatch, Watcher> {
    if (from === undefined) return this.#snapshot();
    return from === 'NOW' ? this.#now() : this.#catchUp(from);
  }

  /** What was committed before this call is left out. */
  async *#now(): AsyncGenerator<WatchBatch, Watcher> {
    const position = await this.#freshPosition();
    const watcher = this.#watch(position);
    yield { phase: 'CATCH_UP', stocks: [], changes: [], mark: position, snapshotComplete: false };
    return watcher;
  }

  /** Watches first and reads then, so that nothing falls between the two. */
  async *#snapshot(): AsyncGenerator<WatchBatch, Watcher> {
    const position = this.options.tail.position ?? (await this.#freshPosition());
    const watcher = this.#watch(position);
    let after: StockKey | undefined;
    for (;;) {
      const page = await this.options.inTurn(() => this.#readPage(watcher, after));
      watcher.throwIfEnded();
      const mark = watcher.endPage(page);
      yield {
        phase: 'SNAPSHOT',
        stocks: page.stocks,
        changes: [],
        mark,
        snapshotComplete: mark !== undefined,
      };
      if (page.end === undefined) return watcher;
      after = page.end;
      for (let changes = watcher.takeNow(); changes.length > 0; changes = watcher.takeNow()) {
        yield { phase: 'SNAPSHOT', stocks: [], changes, mark: undefined, snapshotComplete: false };
      }
    }
  }

  async #readPage(watcher: Watcher, after: StockKey | undefined): Promise<StockPage> {
    watcher.throwIfEnded();
    watcher.beginPage();
    const { reads, tail } = this.options;
    const sinceBeat = tail.position?.beat ?? watcher.start.beat;
    const deadlineMs = performance.now() + PATIENCE_MS;
    return await readSnapshotPage(reads, this.filter, { after, sinceBeat, deadlineMs });
  }

  /**
   * Reads up to where the feed stands, again and again, until only little is left; then watches, and reads that. So little
   * comes to wait meanwhile, however much there was to read.
   */
  async *#catchUp(cursor: Cursor): AsyncGenerator<WatchBatch, Watcher> {
    const { tail, catchUp } = this.options;
    let from: Mark = { cursor, watermarkUs: undefined, sentMs: 0 };
    // The process that gave the cursor may have come further than this one.
    let now = await this.#freshPosition();
    for (;;) {
      if (this.signal.aborted) throw aborted();
      const little = await catchUp.check(from.cursor, now.cursor);
      // From here to the watcher nothing is waited for: the feed stands still.
      now = tail.position ?? now;
      const watcher = little ? this.#watch(now) : undefined;
      for await (const changes of catchUp.read(this.filter, from.cursor, now.cursor)) {
        watcher?.throwIfEnded();
        yield* inBatches(changes, from);
      }
      from = now;
      yield { phase: 'CATCH_UP', stocks: [], changes: [], mark: from, snapshotComplete: false };
      if (watcher !== undefined) return watcher;
    }
  }

  async #freshPosition(): Promise<Position> {
    try {
      return await this.options.tail.freshPosition(PATIENCE_MS);
    } catch (error) {
      throw unavailable(error);
    }
  }

  #watch(position: Position): Watcher {
    this.#watcher = this.options.fanOut.add(this.filter, position, this.options.taking);
    if (this.signal.aborted) this.#watcher.end(aborted());
    return this.#watcher;
  }
}

function* inBatches(changes: readonly StockChange[], mark: Mark): Generator<WatchBatch> {
  for (let first = 0; first < changes.length; first += BATCH_LIMIT) {
    const batch = changes.slice(first, first + BATCH_LIMIT).map(toDue);
    yield { phase: 'CATCH_UP', stocks: [], changes: batch, mark, snapshotComplete: false };
  }
}

const toDue = (change: StockChange): DueChange => ({ change, skippedVersions: 0 });

/** Seen by nobody: who aborted has gone. */
const aborted = (): InventoryError => new InventoryError('DEADLINE_EXCEEDED', 'The stream was ended');

const shuttingDown = (): InventoryError =>
  new InventoryError('SHUTTING_DOWN', 'This process is about to stop; go on from the cursor on another one', {
    retryDelayMs: 100,
  });
