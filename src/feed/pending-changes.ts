import { keyOf } from '../domain/judge-submissions.js';
import type { StockChange } from '../domain/types.js';

/** A change that waits to be sent, and how many versions of its stock right before it were left out. */
export interface DueChange {
  readonly change: StockChange;
  readonly skippedVersions: number;
}

/** A change, or the newest one of several of its stock. */
interface Entry {
  /** The version of the oldest that it stands for. */
  readonly firstVersion: bigint;
  readonly change: StockChange;
}

/** Every change is kept up to this many; beyond, of each stock the newest, and no more of these. */
const LIMIT = 4_000;
/** Bounds what waits for one reader, however long ids and actors are. */
const BYTES_LIMIT = 1_500_000;
/** An object with its times, numbers and event id. */
const BYTES_OF_CHANGE = 350;

/** What waits for one reader: all changes while they are few, then the newest per stock, and never more than that. */
export class PendingChanges {
  #queue: Entry[] = [];
  /** By stock, once there were too many; until all are taken. */
  #newest: Map<string, Entry> | undefined;
  #bytes = 0;

  get size(): number {
    return this.#newest?.size ?? this.#queue.length;
  }

  /** More than can be kept: the reader has to begin anew. */
  get overflowing(): boolean {
    return this.size > LIMIT || this.#bytes > BYTES_LIMIT;
  }

  /** @param firstVersion where it stands for several changes, the version of the oldest. */
  add(change: StockChange, firstVersion = change.version): void {
    const entry = { firstVersion, change };
    if (this.#newest !== undefined) this.#put(this.#newest, entry);
    else {
      this.#queue.push(entry);
      this.#bytes += bytesOf(entry);
      if (this.#queue.length > LIMIT || this.#bytes > BYTES_LIMIT) this.#keepNewest();
    }
  }

  /** Takes the oldest ones, at most so many. */
  take(limit: number): DueChange[] {
    return this.#takeEntries(limit).map(({ change, firstVersion }) => ({
      change,
      skippedVersions: Number(change.version - firstVersion),
    }));
  }

  /** Gives all that waits to another, but for what `versionOf` says is known already; keys without a version are dropped. */
  moveTo(other: PendingChanges, knownOf: (change: StockChange) => bigint | 'DROP'): void {
    for (const { change, firstVersion } of this.#takeEntries(Number.POSITIVE_INFINITY)) {
      const known = knownOf(change);
      if (known === 'DROP' || change.version <= known) continue;
      other.add(change, firstVersion > known ? firstVersion : known + 1n);
    }
  }

  clear(): void {
    this.#takeEntries(Number.POSITIVE_INFINITY);
  }

  #takeEntries(limit: number): Entry[] {
    let taken: Entry[];
    if (this.#newest === undefined) taken = this.#queue.splice(0, limit);
    else {
      taken = [];
      for (const [key, entry] of this.#newest) {
        if (taken.length === limit) break;
        taken.push(entry);
        this.#newest.delete(key);
      }
      if (this.#newest.size === 0) this.#newest = undefined;
    }
    for (const entry of taken) this.#bytes -= bytesOf(entry);
    return taken;
  }

  #keepNewest(): void {
    this.#newest = new Map();
    this.#bytes = 0;
    for (const entry of this.#queue.splice(0)) this.#put(this.#newest, entry);
  }

  #put(newest: Map<string, Entry>, entry: Entry): void {
    const key = keyOf(entry.change.storeId, entry.change.productId);
    const before = newest.get(key);
    if (before !== undefined) this.#bytes -= bytesOf(before);
    newest.set(key, before === undefined ? entry : { ...entry, firstVersion: before.firstVersion });
    this.#bytes += bytesOf(entry);
  }
}

const bytesOf = ({ change: { storeId, productId, actor } }: Entry): number =>
  BYTES_OF_CHANGE + 2 * (storeId.length + productId.length + actor.length);
