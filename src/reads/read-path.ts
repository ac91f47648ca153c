import { InventoryError } from '../domain/errors.js';
import type { RecordedEvent, StockKey, StockRow } from '../domain/types.js';
import type { Cluster, Replica } from '../postgres/cluster.js';
import type { EventFilter, EventPosition } from '../postgres/event-statements.js';
import { listEvents } from '../postgres/event-statements.js';
import type { Pool } from '../postgres/pool.js';
import type { Snapshot } from '../postgres/snapshot.js';
import type { ListFilter, StockSnapshot } from '../postgres/stock-statements.js';
import { listStocks, readStock, readStocks } from '../postgres/stock-statements.js';

/** Where an answer was read. The caches come before the database; until they stand, nothing answers from them. */
export type Source = 'LOCAL_CACHE' | 'SHARED_CACHE' | 'REPLICA' | 'PRIMARY';

/** How fresh an answer is: it holds everything committed up to `maxAgeMs` ago. */
export interface Freshness {
  readonly source: Source;
  readonly cached: boolean;
  readonly maxAgeMs: number;
  /** It may be older than 5 s, because nothing fresher can be reached. */
  readonly stale: boolean;
}

export interface ReadOptions {
  /** Only the primary will do. */
  readonly strong: boolean;
  /** On the clock of performance.now(). */
  readonly deadlineMs: number;
}

export interface Page {
  readonly after: StockKey | undefined;
  readonly size: number;
}

export type { EventFilter };

/** Where a list of events goes on. */
export interface EventCursor extends EventPosition {
  /** The beat of the first page's snapshot. */
  readonly firstBeat: bigint;
}

/** A replica this many beats behind the newest known one is passed over. */
const BEATS_BEHIND = 3n;
/**
 * A snapshot whose beat is this much later than another's holds all that the other held, whichever servers they are
 * from: the second beat after it was made by one who saw the first one, which the other snapshot did not hold.
 */
const BEATS_TO_INCLUDE = 2n;
const STALE_AFTER_MS = 5_000;
/** The age of an answer whose age nobody can tell. */
const UNKNOWN_AGE_MS = 2 ** 31 - 1;

type Read<S extends Snapshot> = (pool: Pool) => Promise<S>;

/** What a replica's snapshot must hold. */
interface Needs<S extends Snapshot> {
  /** To be the answer. */
  readonly complete: (snapshot: S) => boolean;
  /** To be the answer at least where the primary cannot be reached. */
  readonly acceptable: (snapshot: S) => boolean;
}

const ANYTHING: Needs<Snapshot> = { complete: () => true, acceptable: () => true };

/** The read side: the nearest source that is fresh enough, the primary where none is. */
export class ReadPath {
  #turn = 0;

  constructor(private readonly cluster: Cluster) {}

  /**
   * One stock, at `minVersion` or later.
   *
   * @throws InventoryError STOCK_NOT_FOUND, VERSION_NOT_REACHED, DATABASE_UNAVAILABLE.
   */
  async get(
    key: StockKey,
    minVersion: bigint,
    options: ReadOptions,
  ): Promise<Freshness & { readonly stock: StockRow }> {
    // A stock that a replica does not know may be one that was just made: as if version 1 had been asked for.
    const complete = minVersion > 1n ? minVersion : 1n;
    const versionOf = (snapshot: StockSnapshot) => snapshot.stocks[0]?.version ?? 0n;
    const needs: Needs<StockSnapshot> = {
      complete: (snapshot) => versionOf(snapshot) >= complete,
      acceptable: (snapshot) => versionOf(snapshot) >= minVersion,
    };
    const { stocks, source, cached, maxAgeMs, stale } = await this.#read(
      (pool) => readStock(pool, key),
      options,
      needs,
    );
    const stock = stocks[0];
    if (stock === undefined) {
      const message = `Store ${key.storeId} has no stock of product ${key.productId}; a restock makes it`;
      throw new InventoryError('STOCK_NOT_FOUND', message);
    }
    if (stock.version < minVersion) {
      const metadata = { version: String(stock.version) };
      const message = `The stock is at version ${stock.version}; version ${minVersion} is not reached`;
      throw new InventoryError('VERSION_NOT_REACHED', message, { metadata });
    }
    return { stock, source, cached, maxAgeMs, stale };
  }

  /**
   * The stocks that exist, in the order asked, and the keys that have none. Repeated keys are answered once.
   *
   * @throws InventoryError DATABASE_UNAVAILABLE.
   */
  async batchGet(
    keys: readonly StockKey[],
    options: ReadOptions,
  ): Promise<Freshness & { readonly stocks: StockRow[]; readonly missing: StockKey[] }> {
    const nameOf = (key: StockKey) => `${key.storeId}\0${key.productId}`;
    const distinct = [...new Map(keys.map((key) => [nameOf(key), key])).entries()];
    const wanted = distinct.map(([, key]) => key);
    const needs: Needs<StockSnapshot> = {
      ...ANYTHING,
      complete: (snapshot) => snapshot.stocks.length === wanted.length,
    };
    const answer = await this.#read((pool) => readStocks(pool, wanted), options, needs);
    const found = new Map(answer.stocks.map((stock) => [nameOf(stock), stock]));
    const { source, cached, maxAgeMs, stale } = answer;
    const stocks = distinct.flatMap(([name]) => found.get(name) ?? []);
    const missing = distinct.filter(([name]) => !found.has(name)).map(([, key]) => key);
    return { stocks, missing, source, cached, maxAgeMs, stale };
  }

  /**
   * A page of stocks in key order, and the key to go on after, if there are more.
   *
   * @throws InventoryError DATABASE_UNAVAILABLE.
   */
  async list(
    filter: ListFilter,
    page: Page,
    options: ReadOptions,
  ): Promise<Freshness & { readonly stocks: StockRow[]; readonly next: StockKey | undefined }> {
    const read: Read<StockSnapshot> = (pool) => listStocks(pool, filter, page.after, page.size + 1);
    const { stocks, source, cached, maxAgeMs, stale } = await this.#read(read, options, ANYTHING);
    const shown = stocks.slice(0, page.size);
    const next = stocks.length > page.size ? shown.at(-1) : undefined;
    return { stocks: shown, next, source, cached, maxAgeMs, stale };
  }

  /**
   * A page of a store's history, and where the next one begins, if there is more. With one cursor's pages, no event that
   * was there before the first page is left out; only while the primary cannot be reached, a page may come from a
   * replica of which that is not known.
   *
   * @throws InventoryError DATABASE_UNAVAILABLE.
   */
  async listEvents(
    filter: EventFilter,
    page: { readonly after: EventCursor | undefined; readonly size: number },
    options: ReadOptions,
  ): Promise<Freshness & { readonly events: RecordedEvent[]; readonly next: EventCursor | undefined }> {
    const { after, size } = page;
    const firstBeat = after?.firstBeat ?? 0n;
    const needs: Needs<Snapshot> = {
      complete: ({ beat }) => after === undefined || beat >= firstBeat + BEATS_TO_INCLUDE,
      acceptable: ({ beat }) => beat >= firstBeat,
    };
    const answer = await this.#read((pool) => listEvents(pool, filter, after, size), options, needs);
    const { events, beat, source, cached, maxAgeMs, stale } = answer;
    const next = answer.next && { ...answer.next, firstBeat: after?.firstBeat ?? beat };
    return { events, next, source, cached, maxAgeMs, stale };
  }

  /** Whether some database answers. */
  async probe(): Promise<boolean> {
    const ask = async (pool: Pool) => {
      await readStock(pool, { storeId: '', productId: '' });
    };
    return Promise.any(
      [this.cluster.primary, ...this.cluster.replicas.map((replica) => replica.pool)].map(ask),
    ).then(
      () => true,
      () => false,
    );
  }

  /** Replicas in turn, then the primary; and a replica's older answer where the primary cannot be reached. */
  async #read<S extends Snapshot>(
    read: Read<S>,
    options: ReadOptions,
    needs: Needs<S>,
  ): Promise<S & Freshness> {
    let fallback: (S & Freshness) | undefined;
    if (!options.strong) {
      for (const replica of this.#replicasInTurn()) {
        const answer = await this.#readReplica(replica, read);
        if (answer === undefined) continue;
        const fresh = answer.beat >= this.cluster.heartbeat.newest - BEATS_BEHIND && !answer.stale;
        if (fresh && needs.complete(answer)) return answer;
        if (needs.acceptable(answer) && answer.beat > (fallback?.beat ?? -1n)) fallback = answer;
      }
    }
    try {
      return await this.#readPrimary(read);
    } catch (error) {
      if (fallback !== undefined) return fallback;
      const message = 'No database can be reached for this read; try again';
      throw new InventoryError('DATABASE_UNAVAILABLE', message, { cause: error, retryDelayMs: 200 });
    }
  }

  async #readReplica<S extends Snapshot>(
    replica: Replica,
    read: Read<S>,
  ): Promise<(S & Freshness) | undefined> {
    try {
      const snapshot = await read(replica.pool);
      const ageMs = this.cluster.heartbeat.ageMs(snapshot.beatTimeUs) ?? UNKNOWN_AGE_MS;
      return { ...snapshot, ...freshness('REPLICA', ageMs) };
    } catch {
      replica.rest();
      return undefined;
    }
  }

  async #readPrimary<S extends Snapshot>(read: Read<S>): Promise<S & Freshness> {
    const sentMs = performance.now();
    const snapshot = await read(this.cluster.primary);
    return { ...snapshot, ...freshness('PRIMARY', performance.now() - sentMs) };
  }

  #replicasInTurn(): Replica[] {
    const { replicas } = this.cluster;
    const first = replicas.length > 1 ? this.#turn++ % replicas.length : 0;
    return [...replicas.slice(first), ...replicas.slice(0, first)].filter((replica) => !replica.resting);
  }
}

function freshness(source: Source, ageMs: number): Freshness {
  const maxAgeMs = Math.min(Math.ceil(ageMs), UNKNOWN_AGE_MS);
  return {
    source,
    cached: source === 'LOCAL_CACHE' || source === 'SHARED_CACHE',
    maxAgeMs,
    stale: ageMs > STALE_AFTER_MS,
  };
}
