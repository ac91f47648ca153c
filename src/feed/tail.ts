import type { StockChange } from '../domain/types.js';
import type { BeatClock } from '../postgres/beat-clock.js';
import { type FeedHeader, type FeedRead, pollFeed, startFeed } from '../postgres/feed-statements.js';
import type { Pool } from '../postgres/pool.js';
import { after, breakAt, type Cursor, startingAt } from './cursor.js';

/** How far the feed of this process has come: every change up to here has been delivered. */
export interface Position {
  readonly cursor: Cursor;
  /** The beat in the snapshot of the last poll. */
  readonly beat: bigint;
  /** Every change committed up to this time, by the primary's clock, has been delivered. */
  readonly watermarkUs: number;
  /** The same on this process's own clock, performance.now(); undefined where the primary's clock was set back. */
  readonly watermarkMs: number | undefined;
  /** When the last poll was sent, by performance.now(): what was acknowledged to this process before is in it. */
  readonly sentMs: number;
}

/** Who follows the feed. A listener must not throw. */
export interface FeedListener {
  /** Told of each poll; the changes stand in the order of store, product and version, each stock's without a gap. */
  advanced(position: Position, changes: readonly StockChange[]): void;
  /** Changes may have been missed, or delivered and lost in a failover: forget what was followed, begin at this position. */
  restarted(position: Position): void;
}

/** What the feed tells about itself. */
export interface FeedObserver {
  polled(changes: number, seconds: number): void;
  failed(error: unknown): void;
  restarted(cause: 'LOST' | 'FAR_BEHIND'): void;
}

export interface TailOptions {
  /** A connection of its own to the primary; undefined while there is none. */
  readonly feed: () => Pool | undefined;
  /** Gets to know every beat that the feed sees. */
  readonly beats: BeatClock;
  readonly observer: FeedObserver;
  /** More changes than this at once are not delivered: the feed begins anew. */
  readonly changesLimit?: number;
}

const PERIOD_MS = 100;
/** At most one poll in this time, however many hints come. */
const HINT_PERIOD_MS = 20;
const LONGEST_PAUSE_MS = 500;
const CHANGES_LIMIT = 100_000;

/** The gapless tail of the event log in this process: each change once, each stock's in the order of its versions. */
export class Tail {
  readonly #listeners = new Set<FeedListener>();
  readonly #changesLimit: number;
  #position: Position | undefined;
  #stopped = false;
  #running: Promise<void> | undefined;
  #hinted = false;
  /** Polls that failed in a row. */
  #failures = 0;
  #wake: () => void = () => undefined;
  /** Called with each new position and when its poll was sent. */
  readonly #onStep = new Set<(position: Position, sentMs: number) => void>();

  constructor(private readonly options: TailOptions) {
    this.#changesLimit = options.changesLimit ?? CHANGES_LIMIT;
  }

  /** Undefined until the first poll has been answered. */
  get position(): Position | undefined {
    return this.#position;
  }

  listen(listener: FeedListener): void {
    this.#listeners.add(listener);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  /**
   * The position after a poll that begins now or later. Other processes may have come further than this one; what they have
   * delivered so far is before it.
   *
   * @throws Error where no poll is answered in time.
   */
  freshPosition(timeoutMs: number): Promise<Position> {
    const calledMs = performance.now();
    this.hint();
    return new Promise((resolve, reject) => {
      const onStep = (position: Position, sentMs: number) => {
        if (sentMs < calledMs) return;
        clearTimeout(timer);
        this.#onStep.delete(onStep);
        resolve(position);
      };
      const timer = setTimeout(() => {
        this.#onStep.delete(onStep);
        reject(new Error('the feed does not come on'));
      }, timeoutMs);
      this.#onStep.add(onStep);
    });
  }

  /** Something was committed: there is a reason to poll now. */
  hint(): void {
    this.#hinted = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const startedMs = performance.now();
      this.#hinted = false;
      try {
        await this.#poll();
        this.#failures = 0;
      } catch (error) {
        this.#failures++;
        this.options.observer.failed(error);
      }
      await this.#pause(startedMs);
    }
  }

  async #pause(startedMs: number): Promise<void> {
    for (;;) {
      const leftMs = startedMs + this.#periodMs() - performance.now();
      if (leftMs <= 0 || this.#stopped) return;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, leftMs);
        this.#wake = resolve;
      });
      clearTimeout(timer);
    }
  }

  #periodMs(): number {
    if (this.#failures > 0) return Math.min(PERIOD_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    return this.#hinted ? HINT_PERIOD_MS : PERIOD_MS;
  }

  /** @throws what the connection or the server says. The position stays, and the next poll goes on from it. */
  async #poll(): Promise<void> {
    const pool = this.options.feed();
    if (pool === undefined) throw new Error('no primary to follow');
    if (this.#position === undefined) return await this.#start(pool);
    const { cursor } = this.#position;
    const read = await pollFeed(pool, cursor, this.#changesLimit + 1);
    const broken = breakAt(cursor, read.header);
    if (broken === 'NOT_PRIMARY') throw new Error('the server is not the primary that was followed');
    if (broken === undefined && read.changes.length <= this.#changesLimit) return this.#advance(cursor, read);
    this.options.observer.restarted(broken ?? 'FAR_BEHIND');
    await this.#start(pool);
  }

  async #start(pool: Pool): Promise<void> {
    const start = await startFeed(pool);
    const cursor = startingAt(start);
    if (cursor === undefined) throw new Error('the server is a standby');
    const position = this.#stepTo(cursor, start.header);
    for (const listener of this.#listeners) listener.restarted(position);
    this.#stepped(position, start.header);
  }

  #advance(cursor: Cursor, read: FeedRead): void {
    const position = this.#stepTo(after(cursor, read.header), read.header);
    const changes = [...read.changes].sort(byStockAndVersion);
    for (const listener of this.#listeners) listener.advanced(position, changes);
    this.#stepped(position, read.header);
    this.options.observer.polled(changes.length, (performance.now() - read.header.sentMs) / 1000);
  }

  #stepped(position: Position, { sentMs }: FeedHeader): void {
    for (const onStep of this.#onStep) onStep(position, sentMs);
  }

  /**
   * The watermark is the beat's time, never the statement's own: a primary that was deposed, or has lost its standbys, goes
   * on answering, and does not move the beat.
   */
  #stepTo(cursor: Cursor, header: FeedHeader): Position {
    const { sentMs, nowUs, beat, beatTimeUs } = header;
    this.options.beats.sawBeat(beat, beatTimeUs);
    this.options.beats.sawClock(cursor.timeline, { sentMs, nowUs });
    const ageUs = nowUs - beatTimeUs;
    const watermarkMs = ageUs < 0 ? undefined : sentMs - ageUs / 1000;
    this.#position = { cursor, beat, watermarkUs: beatTimeUs, watermarkMs, sentMs };
    return this.#position;
  }
}

/** Neither the order of commits nor that of numbers is that of versions. */
function byStockAndVersion(a: StockChange, b: StockChange): number {
  if (a.storeId !== b.storeId) return a.storeId < b.storeId ? -1 : 1;
  if (a.productId !== b.productId) return a.productId < b.productId ? -1 : 1;
  return a.version < b.version ? -1 : 1;
}
