import { InventoryError } from '../domain/errors.js';
import type { StockKey, StockRow } from '../domain/types.js';
import { Late, within } from '../in-time.js';
import type { DatabaseReads, ReadOptions, StockCopies } from './database-reads.js';
import { Flights } from './flights.js';
import { type Freshness, furthestOf, type ReadObserver } from './freshness.js';
import { RESERVE_MS, SERVER_TIMEOUT_MS } from './source-search.js';
import type { CachedStock, StockCaches } from './stock-caches.js';
import { nameOf } from './stock-copy.js';

/** One stock, and how fresh it is. */
export type StockAnswer = Freshness & { readonly stock: StockRow };

/** Several stocks, and how fresh the least fresh of them is. */
export type StocksAnswer = Freshness & { readonly stocks: StockRow[]; readonly missing: StockKey[] };

/** Reads of stocks: from this process's memory, else from Redis, else from the database; whose answers fill the caches. */
export class ReadPath {
  readonly #flights = new Flights<StockAnswer[]>();

  constructor(
    /** Lists and histories come from there, always. */
    readonly database: DatabaseReads,
    private readonly caches: StockCaches,
    private readonly observer: ReadObserver,
  ) {}

  /**
   * One stock, at `minVersion` or later; at once where this process has it in memory.
   *
   * @throws InventoryError STOCK_NOT_FOUND, VERSION_NOT_REACHED, QUEUE_FULL, DATABASE_UNAVAILABLE, as a rejection.
   */
  get(key: StockKey, minVersion: bigint, options: ReadOptions): StockAnswer | Promise<StockAnswer> {
    const local = options.strong ? undefined : this.caches.get(key);
    if (local === undefined || local.stock.version < minVersion) {
      return this.#getElsewhere(key, minVersion, options);
    }
    this.observer.answered('LOCAL_CACHE');
    return local;
  }

  /**
   * The stocks that exist, in the order asked, and the keys that have none. Repeated keys are answered once. Where they
   * come from several sources, the answer tells the furthest one and the highest age.
   *
   * @throws InventoryError QUEUE_FULL, DATABASE_UNAVAILABLE.
   */
  async batchGet(keys: readonly StockKey[], options: ReadOptions): Promise<StocksAnswer> {
    const startedMs = performance.now();
    const wanted = new Map(keys.map((key) => [nameOf(key), key]));
    const cached = options.strong ? [] : await this.#cachedOf([...wanted.values()]);
    const found = new Map(cached.map(({ stock }) => [nameOf(stock), stock]));
    const rest = [...wanted].filter(([name]) => !found.has(name)).map(([, key]) => key);
    const read = rest.length === 0 ? [] : await this.#readSeveral(rest, options);
    for (const { stock } of read) found.set(nameOf(stock), stock);
    const stocks = [...wanted.keys()].flatMap((name) => found.get(name) ?? []);
    const missing = stocks
      .filter(({ version }) => version === 0n)
      .map(({ storeId, productId }) => ({ storeId, productId }));
    const waitedMs = performance.now() - startedMs;
    const freshness = furthestOf([
      ...cached.map((part) => ({ ...part, maxAgeMs: part.maxAgeMs + waitedMs })),
      ...read,
    ]);
    this.observer.answered(freshness.source);
    return { stocks: stocks.filter(({ version }) => version > 0n), missing, ...freshness };
  }

  async #getElsewhere(key: StockKey, minVersion: bigint, options: ReadOptions): Promise<StockAnswer> {
    const answer = await this.#search(key, minVersion, options);
    const { stock, source } = answer;
    this.observer.answered(source);
    if (stock.version === 0n) throw answer.stale ? notKnown(key) : notFound(key);
    if (stock.version < minVersion) throw notReached(stock, minVersion);
    return answer;
  }

  async #search(key: StockKey, minVersion: bigint, options: ReadOptions): Promise<StockAnswer> {
    const shared = options.strong ? undefined : await this.caches.getShared(key);
    if (shared !== undefined && shared.stock.version >= minVersion) return shared;
    const read = () => this.#read(this.database.get(key, minVersion, options));
    // A version that was asked for is looked for further than others look; and who knows of version 1 must not be told by a
    // read that began before it was made.
    const alone = options.strong || minVersion > 0n;
    const join = () => this.#flights.join(nameOf(key), options.deadlineMs, read);
    const [answer] = await this.#orOld([key], minVersion, options, alone ? read : join);
    return answer!;
  }

  #readSeveral(keys: readonly StockKey[], options: ReadOptions): Promise<StockAnswer[]> {
    return this.#orOld(keys, 0n, options, () => this.#read(this.database.batchGet(keys, options)));
  }

  async #read(reading: Promise<StockCopies>): Promise<StockAnswer[]> {
    const { copies, ...freshness } = await reading;
    this.caches.read(copies);
    return copies.map(({ stock }) => ({ stock, ...freshness }));
  }

  /**
   * What the database answers; or old copies, where it says nothing, fails or knows only what is older still. It is waited
   * for no longer than one server is where another one could answer; and who joined a read of somebody with more time does
   * not wait for it in vain.
   */
  async #orOld(
    keys: readonly StockKey[],
    minVersion: bigint,
    { strong, deadlineMs }: ReadOptions,
    read: () => Promise<StockAnswer[]>,
  ): Promise<StockAnswer[]> {
    if (strong) return await read();
    const known = this.database.silent ? await this.#oldOf(keys, minVersion) : undefined;
    if (known !== undefined) return known;
    const reading = read();
    const leftMs = deadlineMs - RESERVE_MS - performance.now();
    try {
      const answers = await within(Math.min(leftMs, SERVER_TIMEOUT_MS), reading);
      // A replica that has been cut off for long, and no primary.
      const old = answers.some(({ stale }) => stale) ? await this.#oldOf(keys, minVersion) : undefined;
      return old !== undefined && furthestOf(old).maxAgeMs < furthestOf(answers).maxAgeMs ? old : answers;
    } catch (error) {
      const old = await this.#oldOf(keys, minVersion);
      if (old !== undefined) return old;
      if (error instanceof Late) return await reading;
      throw error;
    }
  }

  /** Old copies that will do, whatever their age: of all of these or of none. */
  async #oldOf(keys: readonly StockKey[], minVersion: bigint): Promise<CachedStock[] | undefined> {
    const old = await Promise.all(keys.map((key) => this.caches.getOld(key)));
    const doing = old.filter((each) => each !== undefined && each.stock.version >= minVersion);
    return doing.length === keys.length ? (doing as CachedStock[]) : undefined;
  }

  async #cachedOf(keys: readonly StockKey[]): Promise<CachedStock[]> {
    const cached = await Promise.all(keys.map((key) => this.caches.get(key) ?? this.caches.getShared(key)));
    return cached.filter((each) => each !== undefined);
  }
}

function notFound({ storeId, productId }: StockKey): InventoryError {
  const message = `Store ${storeId} has no stock of product ${productId}; a restock makes it`;
  return new InventoryError('STOCK_NOT_FOUND', message);
}

/** An error does not tell its age: what is stale must not say that there is none. */
function notKnown({ storeId, productId }: StockKey): InventoryError {
  const message = `Whether store ${storeId} has a stock of product ${productId} is not known while only old data can be read; try again`;
  return new InventoryError('DATABASE_UNAVAILABLE', message, { retryDelayMs: 200 });
}

function notReached({ version }: StockRow, minVersion: bigint): InventoryError {
  const message = `The stock is at version ${version}; version ${minVersion} is not reached`;
  return new InventoryError('VERSION_NOT_REACHED', message, { metadata: { version: String(version) } });
}
