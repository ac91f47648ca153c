import { type Failure, toFailure } from '../api/failure.js';
import type { Stock, StockChange, WatchResponse } from '../contract.js';

/**
 * - `catching-up`: the stocks as they are, or what happened meanwhile, are on their way.
 * - `live`: everything up to now is here, and what changes comes at once.
 * - `reconnecting`: nothing comes; the stream is opened again and again.
 * - `paused`: nobody looks.
 * - `off`: the service gives no changes, and another try would not help.
 */
export type Connection = 'catching-up' | 'live' | 'reconnecting' | 'paused' | 'off';

/** What the page has of the changes of a store. */
export interface LiveView {
  readonly connection: Connection;
  /** The newest changes, the newest first. */
  readonly changes: readonly StockChange[];
}

export const NOTHING_YET: LiveView = { connection: 'catching-up', changes: [] };

export interface LiveStoreParts {
  /** Opens a stream of the store's changes: after the cursor, or with the stocks as they are where it is empty. */
  readonly open: (cursor: string, signal: AbortSignal) => AsyncIterable<WatchResponse>;
  /** Waits, less long where there is hope before, or where `signal` is aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** Told every stock that comes. */
  readonly note: (stocks: readonly Stock[]) => void;
  /** Told where it begins anew: what the page knows may be lost. */
  readonly forget: () => void;
  /** Told after every change of the view. */
  readonly changed: (view: LiveView) => void;
  /** A stream that gives no sign of life (there is one every 5 s) for so long is dead. */
  readonly silenceMs?: number;
}

export const KEPT_CHANGES = 20;
const SILENCE_MS = 15_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 8_000;

/** No other try helps. */
const FINAL = new Set(['INVALID_FIELD', 'UNIMPLEMENTED', 'UNAUTHENTICATED', 'PERMISSION_DENIED']);

/**
 * The changes of one store, over as many streams as it takes: each goes on from the newest cursor. A change that comes
 * again is passed over: its version tells.
 */
export class LiveStore {
  #view = NOTHING_YET;
  #cursor = '';
  /** The newest version of each product that was among the changes. */
  readonly #versions = new Map<string, bigint>();
  #running: AbortController | undefined;

  constructor(private readonly parts: LiveStoreParts) {}

  /** Begins, or goes on after a pause. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  /** Closes the stream; `start` goes on where it was. */
  pause(): void {
    this.#running?.abort();
    this.#running = undefined;
    this.#show({ connection: 'paused' });
  }

  async #run(signal: AbortSignal): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    this.#show({ connection: 'catching-up' });
    while (!signal.aborted) {
      try {
        for await (const message of this.#oneStream(signal)) {
          this.#take(message);
          delayMs = FIRST_DELAY_MS;
        }
        if (signal.aborted) return;
        this.#show({ connection: 'reconnecting' });
      } catch (error) {
        if (signal.aborted) return;
        this.#broke(toFailure(error));
        if (this.#view.connection === 'off') return;
      }
      await this.parts.wait(delayMs * (0.5 + Math.random() / 2), signal);
      delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
    }
  }

  /** One stream, which ends where it falls silent. */
  async *#oneStream(signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    signal.addEventListener('abort', leave, { once: true });
    const stream = this.parts.open(this.#cursor, leaving.signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await within(this.parts.silenceMs ?? SILENCE_MS, stream.next());
        if (next === undefined || next.done || signal.aborted) return;
        yield next.value;
      }
    } finally {
      signal.removeEventListener('abort', leave);
      leave();
    }
  }

  #take({ stocks, changes, cursor, watermark, snapshotComplete }: WatchResponse): void {
    this.parts.note([...stocks, ...changes.flatMap(({ stock }) => stock ?? [])]);
    if (cursor !== '') this.#cursor = cursor;
    const isCurrent = snapshotComplete || watermark !== undefined;
    const wasLive = this.#view.connection === 'live';
    const news = changes.filter((change) => this.#isNew(change)).reverse();
    this.#show({
      connection: isCurrent || wasLive ? 'live' : 'catching-up',
      changes:
        news.length === 0 ? this.#view.changes : [...news, ...this.#view.changes].slice(0, KEPT_CHANGES),
    });
  }

  #isNew({ stock }: StockChange): boolean {
    if (stock === undefined || stock.version <= (this.#versions.get(stock.productId) ?? 0n)) return false;
    this.#versions.set(stock.productId, stock.version);
    return true;
  }

  #broke({ reason, fields }: Failure): void {
    if (reason === 'RESYNC' || fields.cursor !== undefined) {
      // What happened since is not told any more: the changes that are shown would have a gap.
      this.#cursor = '';
      this.#versions.clear();
      this.parts.forget();
      this.#show({ connection: 'catching-up', changes: [] });
    } else this.#show({ connection: FINAL.has(reason) ? 'off' : 'reconnecting' });
  }

  #show(view: Partial<LiveView>): void {
    this.#view = { ...this.#view, ...view };
    this.parts.changed(this.#view);
  }
}

/** What the promise gives, or undefined where it takes longer. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  // Who comes too late may fail unheard.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
