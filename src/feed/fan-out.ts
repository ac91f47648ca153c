import type { InventoryError } from '../domain/errors.js';
import type { StockChange } from '../domain/types.js';
import type { FeedListener, Position, Tail } from './tail.js';
import { WatcherIndex, type WatchFilter } from './watch-filter.js';
import { resync, Watcher, type WatcherOptions } from './watcher.js';

const TICK_MS = 1_000;

/** Puts the changes of the one tail in at the watchers that they concern: one pass, however many watch. */
export class FanOut implements FeedListener {
  readonly #watchers = new Set<Watcher>();
  readonly #index = new WatcherIndex<Watcher>();
  readonly #ticks: NodeJS.Timeout;
  #end: InventoryError | undefined;

  constructor(private readonly tail: Tail) {
    tail.listen(this);
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
    this.#ticks.unref();
  }

  /**
   * Begins to put in at this very position, which the caller has just looked at.
   *
   * @throws InventoryError where all watchers were ended.
   */
  add(filter: WatchFilter, position: Position, options?: WatcherOptions): Watcher {
    if (this.#end !== undefined) throw this.#end;
    const watcher = new Watcher(filter, position, () => this.tail.position ?? position, options);
    this.#watchers.add(watcher);
    this.#index.add(filter, watcher);
    return watcher;
  }

  remove(watcher: Watcher): void {
    if (this.#watchers.delete(watcher)) this.#index.remove(watcher.filter, watcher);
  }

  advanced(_position: Position, changes: readonly StockChange[]): void {
    if (this.#watchers.size === 0) return;
    const touched = new Set<Watcher>();
    for (const change of changes) {
      this.#index.forEach(change, (watcher) => {
        watcher.add(change);
        touched.add(watcher);
      });
    }
    for (const watcher of touched) watcher.wake();
  }

  restarted(): void {
    for (const watcher of this.#watchers) {
      this.remove(watcher);
      watcher.end(resync('The feed began anew'));
    }
  }

  /** Every watcher gets what waits for it, then this error. */
  endAll(error: InventoryError): void {
    this.#end = error;
    clearInterval(this.#ticks);
    for (const watcher of this.#watchers) {
      this.remove(watcher);
      watcher.endAfterRest(error);
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const watcher of this.#watchers) watcher.tick(nowMs);
  }
}
