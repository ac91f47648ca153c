import pLimit from 'p-limit';
import { InventoryError } from '../domain/errors.js';
import type { StockChange } from '../domain/types.js';
import { type ChangeSelection, lookAtRange, type Range, readRange } from '../postgres/catch-up-statements.js';
import type { Pool } from '../postgres/pool.js';
import { classifyFailure } from '../postgres/sql-errors.js';
import { type Cursor, canResume } from './cursor.js';
import type { WatchFilter } from './watch-filter.js';
import { resync } from './watcher.js';

/** How much is read at once. */
const PAGE_SIZE = 2_000;
/** Events between a cursor and now, of whatever stocks: each page has to look at all of them. */
const EVENTS_LIMIT = 100_000;
const TIMEOUT_MS = 3_000;
/** After a restart a thousand watchers come back at once; what they ask must not hold up all other reads. */
const QUESTIONS_AT_ONCE = 4;

type Question<T> = (source: { pool: Pool; timeoutMs: number }) => Promise<T>;

/** Reads from the primary what a watcher missed between its cursor and a position of the feed. */
export class CatchUp {
  readonly #inTurn = pLimit(QUESTIONS_AT_ONCE);

  /** @param primary where to read; undefined while there is no primary. */
  constructor(private readonly primary: () => Pool | undefined) {}

  /**
   * Looks whether everything between the two can still be given.
   *
   * @returns whether it is little.
   * @throws InventoryError RESYNC, DATABASE_UNAVAILABLE.
   */
  async check(from: Cursor, to: Cursor): Promise<boolean> {
    if (!canResume(from, to)) throw resync('The cursor is not one to go on from here');
    const state = await this.#ask((source) => lookAtRange(source, { from, to }, EVENTS_LIMIT + 1));
    if (state.timeline !== to.timeline) throw unavailable(new Error('another primary'));
    if (!state.lastIsThere) throw resync('What the cursor stands after is not there');
    if (state.events > EVENTS_LIMIT) throw resync('Too much has changed since the cursor');
    return state.events <= PAGE_SIZE;
  }

  /**
   * The changes between the two, by store, product and version, some at a time.
   *
   * @throws InventoryError DATABASE_UNAVAILABLE.
   */
  async *read(filter: WatchFilter, from: Cursor, to: Cursor): AsyncGenerator<readonly StockChange[]> {
    const range: Range = { from, to };
    let after: ChangeSelection['after'];
    for (;;) {
      const selection = { ...filter, after };
      const page = await this.#ask((source) => readRange(source, range, selection, PAGE_SIZE));
      if (page.timeline !== to.timeline) throw unavailable(new Error('another primary'));
      yield page.changes;
      after = page.changes.at(-1);
      if (after === undefined || page.changes.length < PAGE_SIZE) return;
    }
  }

  #ask<T>(question: Question<T>): Promise<T> {
    return this.#inTurn(() => this.#askNow(question));
  }

  async #askNow<T>(question: Question<T>): Promise<T> {
    const pool = this.primary();
    if (pool === undefined) throw unavailable(new Error('no primary'));
    try {
      return await question({ pool, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      throw classifyFailure(error) === 'OTHER' ? error : unavailable(error);
    }
  }
}

/** The answer while the event log cannot be followed. */
export function unavailable(cause: unknown): InventoryError {
  const message = 'The primary cannot be followed now; try again, with the same cursor';
  return new InventoryError('DATABASE_UNAVAILABLE', message, { cause, retryDelayMs: 200 });
}
