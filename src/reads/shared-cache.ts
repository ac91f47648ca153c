import type { StockCopy, StockKey, StockRow } from '../domain/types.js';
import type { Cursor } from '../feed/cursor.js';
import { Breaker, type BreakerState } from '../redis/breaker.js';
import { createRedis } from '../redis/client.js';
import { StockEntries, type StockEntry } from '../redis/stock-entries.js';
import { absentStock } from './stock-copy.js';

/** What the shared cache tells about itself. */
export interface SharedCacheObserver {
  /** Copies that were asked for or put in: `hit`, `miss`, `written`, or `failed` where Redis did not do it. */
  shared(outcome: 'hit' | 'miss' | 'written' | 'failed', copies: number): void;
  breaker(name: string, state: BreakerState): void;
}

const TTL_MS = 300_000;
/** So that what was put in together does not go together. */
const TTL_JITTER = 0.1;
const ABSENT_TTL_MS = 2_000;
/** Copies in one command: Redis does nothing else meanwhile. */
const BATCH_LIMIT = 500;
/** Copies that wait to be put in; beyond, the rest is left out. */
const WAITING_LIMIT = 10_000;

interface Wanted {
  readonly key: StockKey;
  readonly resolve: (copy: StockCopy | undefined) => void;
}

/**
 * Copies of stocks in Redis, for all processes. Nothing in it is believed: whoever reads decides by the copy's version and
 * beat. So it may lose, keep or bring back what it likes. Nothing waits for it longer than 50 ms, and nothing fails with it.
 *
 * What is asked for in one turn of the event loop is one command.
 */
export class SharedCache {
  readonly #entries: StockEntries;
  readonly #reads: Breaker;
  readonly #writes: Breaker;
  /** Copies of another database or timeline are none of ours. */
  #prefix: string | undefined;
  #wanted: Wanted[] = [];
  #waiting: StockEntry[] = [];

  constructor(
    url: string,
    private readonly observer: SharedCacheObserver,
  ) {
    // What goes wrong here is told by the health of Redis, and by the breakers.
    this.#entries = new StockEntries(createRedis(url, () => undefined));
    const breaker = (name: string) =>
      new Breaker({ name, onState: (state) => observer.breaker(name, state) });
    this.#reads = breaker('redis_reads');
    this.#writes = breaker('redis_writes');
  }

  /** Reads and writes from now on belong to this database and timeline. */
  follow({ database, timeline }: Cursor): void {
    this.#prefix = `onhand:stock:${database}:${timeline}:`;
  }

  breakerStates(): [name: string, state: BreakerState][] {
    return [this.#reads, this.#writes].map(({ name, state }) => [name, state]);
  }

  /** The copy in Redis, at version 0 where it says that there is no such stock; undefined where it has none. Never throws. */
  read(key: StockKey): Promise<StockCopy | undefined> {
    if (this.#prefix === undefined || this.#reads.state === 'open') return Promise.resolve(undefined);
    return new Promise((resolve) => {
      if (this.#wanted.push({ key, resolve }) === 1) setImmediate(() => this.#readWanted());
    });
  }

  /** Puts copies in, where they are newer than what is there. Never waits, never throws. */
  write(copies: readonly StockCopy[]): void {
    const prefix = this.#prefix;
    if (prefix === undefined || this.#writes.state === 'open') return;
    const room = WAITING_LIMIT - this.#waiting.length;
    if (this.#waiting.length === 0 && copies.length > 0) setImmediate(() => this.#writeWaiting());
    for (const copy of copies.slice(0, room)) this.#waiting.push(entryOf(prefix, copy));
  }

  stop(): void {
    this.#reads.stop();
    this.#writes.stop();
    this.#entries.stop();
  }

  #readWanted(): void {
    const wanted = this.#wanted;
    this.#wanted = [];
    for (const some of inBatches(wanted)) void this.#readSome(some);
  }

  async #readSome(wanted: readonly Wanted[]): Promise<void> {
    const prefix = this.#prefix ?? '';
    const keys = wanted.map(({ key }) => keyOf(prefix, key));
    let texts: (string | null)[] = [];
    try {
      texts = await this.#reads.run(() => this.#entries.read(keys));
      const hits = texts.filter((text) => text !== null).length;
      this.observer.shared('hit', hits);
      this.observer.shared('miss', texts.length - hits);
    } catch {
      this.observer.shared('failed', wanted.length);
    }
    wanted.forEach(({ key, resolve }, index) => {
      resolve(copyOf(key, texts[index]));
    });
  }

  #writeWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const some of inBatches(waiting)) {
      this.#writes
        .run(() => this.#entries.replace(some))
        .then(
          () => this.observer.shared('written', some.length),
          () => this.observer.shared('failed', some.length),
        );
    }
  }
}

function* inBatches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let first = 0; first < all.length; first += BATCH_LIMIT) yield all.slice(first, first + BATCH_LIMIT);
}

/** Ids hold no control characters. */
const keyOf = (prefix: string, { storeId, productId }: StockKey): string =>
  `${prefix}${storeId}\0${productId}`;

function entryOf(prefix: string, { stock, asOf }: StockCopy): StockEntry {
  const { net, version, createTimeUs, updateTimeUs } = stock;
  const text = `${version} ${asOf} ${net} ${createTimeUs} ${updateTimeUs}`;
  const jitter = 1 + TTL_JITTER * (2 * Math.random() - 1);
  const ttlMs = version === 0n ? ABSENT_TTL_MS : Math.round(TTL_MS * jitter);
  return { key: keyOf(prefix, stock), text, ttlMs };
}

const COPY = /^(\d{1,15}) (\d{1,15}) (-?\d{1,10}) (\d{1,16}) (\d{1,16})$/;

/** Undefined for what is no copy: others may have written there, too. */
function copyOf(key: StockKey, text: string | null | undefined): StockCopy | undefined {
  const [, version, asOf, net, createTimeUs, updateTimeUs] = COPY.exec(text ?? '') ?? [];
  if (version === undefined) return undefined;
  const stock: StockRow = {
    ...absentStock(key),
    version: BigInt(version),
    net: Number(net),
    createTimeUs: Number(createTimeUs),
    updateTimeUs: Number(updateTimeUs),
  };
  return { stock, asOf: BigInt(asOf!) };
}
