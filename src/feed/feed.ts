import type { StockCopy } from '../domain/types.js';
import type { Cluster } from '../postgres/cluster.js';
import type { DatabaseReads } from '../reads/database-reads.js';
import type { StockCaches } from '../reads/stock-caches.js';
import type { BreakerState } from '../redis/breaker.js';
import { CatchUp } from './catch-up.js';
import { FanOut } from './fan-out.js';
import { type HintObserver, Hints } from './hints.js';
import { type FeedObserver, Tail } from './tail.js';
import { Watches, type WatchObserver } from './watch.js';

export interface FeedOptions {
  readonly cluster: Cluster;
  readonly reads: DatabaseReads;
  /** Kept current. */
  readonly caches: StockCaches;
  /** Through which processes tell each other of commits; undefined where there is none. */
  readonly redisUrl: string | undefined;
  /** Streams at once. */
  readonly watchLimit: number;
  readonly observer: FeedObserver & HintObserver & WatchObserver;
}

/** The feed of a process and what hangs on it: one tail, hints to other processes, and the streams of who watches. */
export class Feed {
  readonly watches: Watches;
  readonly #tail: Tail;
  readonly #hints: Hints | undefined;
  readonly #caches: StockCaches;

  constructor({ cluster, reads, caches, redisUrl, watchLimit, observer }: FeedOptions) {
    const tail = new Tail({ feed: () => cluster.feed, beats: cluster.beats, observer });
    const catchUp = new CatchUp(() => cluster.primary?.reads);
    this.#tail = tail;
    this.#caches = caches;
    tail.listen(caches);
    this.watches = new Watches({
      ...{ tail, fanOut: new FanOut(tail), catchUp, reads, limit: watchLimit, observer },
    });
    if (redisUrl === undefined) return;
    this.#hints = new Hints({ redisUrl, heard: (copies) => this.#heard(copies), observer });
    tail.listen(this.#hints);
  }

  /** At most how old the newest commit is that has not been delivered yet; undefined where that cannot be told. */
  get lagSeconds(): number | undefined {
    const watermarkMs = this.#tail.position?.watermarkMs;
    return watermarkMs === undefined ? undefined : (performance.now() - watermarkMs) / 1000;
  }

  /** Of what it asks of Redis. */
  breakerStates(): [name: string, state: BreakerState][] {
    return this.#hints === undefined ? [] : [this.#hints.breakerState()];
  }

  start(): void {
    this.#tail.start();
  }

  /** This process has committed these stocks. Never waits, never throws. */
  committed(copies: readonly StockCopy[]): void {
    if (copies.length === 0) return;
    this.#caches.committed(copies);
    this.#hints?.publish(copies);
    this.#hurry();
  }

  /** Another process has. */
  #heard(copies: readonly StockCopy[]): void {
    this.#caches.heard(copies);
    this.#hurry();
  }

  /** Only who watches is in a hurry: for all else the regular polls are enough, and cost a fifth of those after each commit. */
  #hurry(): void {
    if (this.watches.open > 0) this.#tail.hint();
  }

  async stop(): Promise<void> {
    this.#hints?.stop();
    await this.#tail.stop();
  }
}
