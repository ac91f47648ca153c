import { InventoryError } from '../domain/errors.js';
import type { StockChange } from '../domain/types.js';
import type { Cursor } from './cursor.js';
import { type DueChange, PendingChanges } from './pending-changes.js';
import { type SnapshotPage, SnapshotProgress } from './snapshot-progress.js';
import type { Position } from './tail.js';
import type { WatchFilter } from './watch-filter.js';

/** Up to where everything has been sent. */
export interface Mark {
  readonly cursor: Cursor;
  /** Every change committed up to this time, by the primary's clock, has been sent; undefined where that is not known. */
  readonly watermarkUs: number | undefined;
  /** What was acknowledged to this process before, by performance.now(), is in what has been sent. */
  readonly sentMs: number;
}

/** What is sent at once: changes, or none as a sign of life. */
export interface LiveBatch {
  readonly changes: readonly DueChange[];
  readonly mark: Mark;
}

/** How a reader takes its changes. */
export interface WatcherOptions {
  /** How many at once. */
  readonly batchLimit?: number;
  /** Told of each change as it comes, also of those that are left out later. */
  readonly onAdd?: (change: StockChange) => void;
}

/** Changes in one message. */
export const BATCH_LIMIT = 500;
const HEARTBEAT_MS = 5_000;

/**
 * One reader of the feed. Changes are put in as they come, and taken out as fast as it reads; nothing waits for it, and what
 * waits in here is bounded.
 */
export class Watcher {
  readonly #pending = new PendingChanges();
  #mark: Mark;
  #snapshot: SnapshotProgress | undefined;
  #end: InventoryError | undefined;
  /** What waits is given before the end. */
  #restFirst = false;
  /** A sign of life is due. */
  #due = false;
  #takenMs = performance.now();
  #wake: (() => void) | undefined;

  /**
   * @param start where the feed stands: every change after it is put in.
   * @param now tells where the feed stands.
   */
  constructor(
    readonly filter: WatchFilter,
    readonly start: Position,
    private now: () => Position,
    private readonly options: WatcherOptions = {},
  ) {
    this.#mark = start;
  }

  /** Throws why it has ended, if it has. */
  throwIfEnded(): void {
    if (this.#end !== undefined && !this.#restFirst) throw this.#end;
  }

  /** A page of its snapshot is about to be read: it will hold all that was put in so far. */
  beginPage(): void {
    this.#snapshot ??= new SnapshotProgress();
    this.#snapshot.begin();
  }

  /** @returns where everything has been sent once the page has been, if it was the last one. */
  endPage(page: SnapshotPage): Mark | undefined {
    this.#snapshot?.covered(page, this.#pending);
    if (page.end !== undefined) return undefined;
    if (this.#pending.size === 0) this.#mark = this.now();
    return this.#mark;
  }

  /** Takes a change in. */
  add(change: StockChange): void {
    if (this.#end !== undefined) return;
    this.options.onAdd?.(change);
    if (this.#snapshot === undefined || this.#snapshot.needs(change)) this.#pending.add(change);
    if (this.#pending.overflowing || this.#snapshot?.overflowing === true) {
      this.end(resync('More changed than could be sent in time'));
    }
  }

  /** All changes of a poll are in. */
  wake(): void {
    this.#wake?.();
  }

  /** Called now and then. */
  tick(nowMs: number): void {
    this.#snapshot?.delivered(this.now().beat);
    if (this.#snapshot?.over === true) this.#snapshot = undefined;
    if (nowMs - this.#takenMs < HEARTBEAT_MS) return;
    this.#due = true;
    this.wake();
  }

  /** Ends it: what waits is dropped. */
  end(error: InventoryError): void {
    this.#end ??= error;
    this.#restFirst = false;
    this.#pending.clear();
    this.wake();
  }

  /** Ends it once what waits has been taken; the last thing that is taken tells where to go on. */
  endAfterRest(error: InventoryError): void {
    const position = this.now();
    this.now = () => position;
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#restFirst = true;
    this.#due = true;
    this.wake();
  }

  /** What of the snapshot's changes has come meanwhile, without waiting. The mark stays: the snapshot is not complete. */
  takeNow(): DueChange[] {
    return this.#pending.take(BATCH_LIMIT);
  }

  /** Resolves once there is something to send. @throws why it has ended. */
  async next(): Promise<LiveBatch> {
    this.throwIfEnded();
    while (this.#pending.size === 0 && !this.#due) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.throwIfEnded();
    }
    this.#due = false;
    this.#takenMs = performance.now();
    const changes = this.#pending.take(this.options.batchLimit ?? BATCH_LIMIT);
    if (this.#pending.size === 0) {
      this.#mark = this.now();
      this.#restFirst = false;
    }
    return { changes, mark: this.#mark };
  }
}

/** The answer where a reader cannot go on from where it stands. */
export const resync = (why: string): InventoryError =>
  new InventoryError('RESYNC', `${why}; watch without a cursor: the snapshot has what was missed`);
