import { InventoryError } from '../domain/errors.js';
import type { RecordedEvent, StockCopy, StockKey, StockRow } from '../domain/types.js';
import type { Cluster } from '../postgres/cluster.js';
import type { EventFilter, EventPosition } from '../postgres/event-statements.js';
import { listEvents } from '../postgres/event-statements.js';
import { GateFull } from '../postgres/read-gate.js';
import type { Snapshot } from '../postgres/snapshot.js';
import type { ListFilter, StockSnapshot } from '../postgres/stock-statements.js';
import { listStocks, readStock, readStocks } from '../postgres/stock-statements.js';
import type { Freshness, ReadObserver } from './freshness.js';
import type { Needs, Read } from './source-search.js';
import { SILENT_AFTER_MS, SourceSearch } from './source-search.js';
import { absentStock, nameOf } from './stock-copy.js';

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

/**
 * A snapshot whose beat is this much later than another's holds all that the other held, whichever servers they are
 * from: the second beat after it was made by one who saw the first one, which the other snapshot did not hold.
 */
const BEATS_TO_INCLUDE = 2n;
const ANYTHING: Needs<Snapshot> = { complete: () => true, acceptable: () => true };

/** Copies of stocks out of one snapshot, in the order asked; at version 0 those that it did not show. */
export type StockCopies = Freshness & { readonly copies: StockCopy[] };

/** Reads of the database: from the nearest server that is fresh enough, the primary where none is. */
export class DatabaseReads {
  #turn = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly observer: ReadObserver,
  ) {}

  /** Whether no server has answered a look of late: a read would wait for as long as its caller can. */
  get silent(): boolean {
    return this.cluster.nodes.every((node) => !node.answeredWithin(SILENT_AFTER_MS));
  }

  /**
   * One stock. The primary is asked as well where a replica has not come to `minVersion`; what it shows may be older still.
   *
   * @throws InventoryError QUEUE_FULL, DATABASE_UNAVAILABLE.
   */
  async get(key: StockKey, minVersion: bigint, options: ReadOptions): Promise<StockCopies> {
    // A stock that a replica does not know may be one that was just made: as if version 1 had been asked for.
    const complete = minVersion > 1n ? minVersion : 1n;
    const versionOf = (snapshot: StockSnapshot) => snapshot.stocks[0]?.version ?? 0n;
    const needs: Needs<StockSnapshot> = {
      complete: (snapshot) => versionOf(snapshot) >= complete,
      acceptable: (snapshot) => versionOf(snapshot) >= minVersion,
    };
    return toCopies([key], await this.#read((from) => readStock(from, key), options, needs));
  }

  /** Stocks of distinct keys. @throws InventoryError as `get`. */
  async batchGet(keys: readonly StockKey[], options: ReadOptions): Promise<StockCopies> {
    const needs: Needs<StockSnapshot> = {
      ...ANYTHING,
      complete: (snapshot) => snapshot.stocks.length === keys.length,
    };
    return toCopies(keys, await this.#read((from) => readStocks(from, keys), options, needs));
  }

  /**
   * A page of stocks in key order, and the key to go on after, if there are more.
   *
   * @throws InventoryError QUEUE_FULL, DATABASE_UNAVAILABLE.
   */
  async list(
    filter: ListFilter,
    page: Page,
    options: ReadOptions,
  ): Promise<Freshness & { readonly stocks: StockRow[]; readonly next: StockKey | undefined }> {
    const read: Read<StockSnapshot> = (from) => listStocks(from, filter, page.after, page.size + 1);
    const { stocks, source, cached, maxAgeMs, stale } = await this.#answer(read, options, ANYTHING);
    const shown = stocks.slice(0, page.size);
    const next = stocks.length > page.size ? shown.at(-1) : undefined;
    return { stocks: shown, next, source, cached, maxAgeMs, stale };
  }

  /**
   * A page of a store's history, and where the next one begins, if there is more. With one cursor's pages, no event that
   * was there before the first page is left out; only while the primary cannot be reached, a page may come from a
   * replica of which that is not known.
   *
   * @throws InventoryError QUEUE_FULL, DATABASE_UNAVAILABLE.
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
    const answer = await this.#answer((from) => listEvents(from, filter, after, size), options, needs);
    const { events, beat, source, cached, maxAgeMs, stale } = answer;
    const next = answer.next && { ...answer.next, firstBeat: after?.firstBeat ?? beat };
    return { events, next, source, cached, maxAgeMs, stale };
  }

  /**
   * A page of a snapshot that holds everything that a snapshot of the primary with the beat `sinceBeat` held.
   *
   * @throws InventoryError QUEUE_FULL, DATABASE_UNAVAILABLE.
   */
  async snapshotPage(
    read: Read<StockSnapshot>,
    sinceBeat: bigint,
    deadlineMs: number,
  ): Promise<{ readonly stocks: StockRow[]; readonly beat: bigint }> {
    const holds = ({ beat }: Snapshot) => beat >= sinceBeat + BEATS_TO_INCLUDE;
    return await this.#answer(read, { strong: false, deadlineMs }, { complete: holds, acceptable: holds });
  }

  /** A read that no cache is in front of. */
  async #answer<S extends Snapshot>(
    read: Read<S>,
    options: ReadOptions,
    needs: Needs<S>,
  ): Promise<S & Freshness> {
    const answer = await this.#read(read, options, needs);
    this.observer.answered(answer.source);
    return answer;
  }

  /** By default the nearest server that is near enough; STRONG, the primary that is one for sure. */
  async #read<S extends Snapshot>(
    read: Read<S>,
    { strong, deadlineMs }: ReadOptions,
    needs: Needs<S>,
  ): Promise<S & Freshness> {
    const search = new SourceSearch(this.cluster, read, needs, { deadlineMs, observer: this.observer });
    const answer = strong ? await search.onPrimaryForSure() : await search.byDefault(this.#turn++);
    if (answer !== undefined) return answer;
    if (search.lastError instanceof GateFull) {
      const message = 'Too many reads wait for the database; try again later';
      throw new InventoryError('QUEUE_FULL', message, { retryDelayMs: 200 });
    }
    const message = strong
      ? 'The primary cannot be reached; try again, or read without STRONG'
      : 'No database can be reached for this read; try again';
    throw new InventoryError('DATABASE_UNAVAILABLE', message, { cause: search.lastError, retryDelayMs: 200 });
  }
}

function toCopies(keys: readonly StockKey[], answer: StockSnapshot & Freshness): StockCopies {
  const { stocks, beat: asOf, source, cached, maxAgeMs, stale } = answer;
  const found = new Map(stocks.map((stock) => [nameOf(stock), stock]));
  const copies = keys.map((key) => ({ stock: found.get(nameOf(key)) ?? absentStock(key), asOf }));
  return { copies, source, cached, maxAgeMs, stale };
}
