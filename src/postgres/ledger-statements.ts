import type { CountFound, LastCount } from '../domain/judge-submissions.js';
import type { Command, LogCursor, PriorEvent, StockKey, StockRow } from '../domain/types.js';
import { keyArrays, plainArray, textArray } from './array-literal.js';
import { inOneWrite } from './client-socket.js';
import {
  LOCK_CURSORS,
  LOCK_FREE_CURSORS,
  READ_LAST_COUNTS,
  toLastCount,
  toLogCursor,
} from './log-statements.js';
import type { Client } from './pool.js';
import { formatTimestampUs } from './timestamps.js';

/**
 * The first half of the ledger's transaction, its statements in the order in which they run (see src/ledger/batch.ts for why).
 * Each is prepared once per connection; each has one shape whatever the number of rows.
 */

const BEGIN = { name: 'begin', text: 'BEGIN' };

const CREATE_PLACEHOLDERS = {
  name: 'create_placeholders',
  text: `INSERT INTO stock (store_id, product_id)
    SELECT k.store_id, k.product_id FROM unnest($1::text[], $2::text[]) AS k (store_id, product_id)
    ORDER BY k.store_id, k.product_id
    ON CONFLICT DO NOTHING`,
};

/** One table only: a join would be evaluated again after each wait, on rows that may have changed. */
const LOCK_STOCKS = {
  name: 'lock_stocks',
  text: `SELECT store_id, product_id, net, version, create_time, update_time FROM stock
    WHERE (store_id, product_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    ORDER BY store_id, product_id FOR NO KEY UPDATE`,
};

const LOCK_FREE_STOCKS = { name: 'lock_free_stocks', text: `${LOCK_STOCKS.text} SKIP LOCKED` };

const FIND_STOCKS = {
  name: 'find_stocks',
  text: `SELECT store_id, product_id FROM stock
    WHERE (store_id, product_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))`,
};

export const FIND_EVENTS = {
  name: 'find_events',
  text: `SELECT e.store_id, e.product_id, e.event_id, e.status, e.effect, e.reason, e.requested_delta, e.net_before,
      e.net_after, e.judged_net, e.version, e.recorded_time, e.origin, e.fingerprint
    FROM unnest($1::text[], $2::uuid[]) AS k (store_id, event_id)
    JOIN event_log e ON e.store_id = k.store_id AND e.event_id = k.event_id`,
};

/**
 * For counts of the past: when their stock was last counted, and what changed it since their time. Nothing takes effect
 * after it was recorded, so the index of the stock's history, by recorded_time, finds what did so since then.
 */
const READ_COUNTS = {
  name: 'read_counts',
  text: `SELECT k.store_id, k.event_id,
      (SELECT max(e.effective_time) FROM event_log e
        WHERE e.product_id = k.product_id AND e.store_id = k.store_id AND e.type = 'COUNT' AND e.status = 'SUCCESS'
      ) AS last_count_time,
      (SELECT coalesce(sum(e.applied_delta), 0)::int FROM event_log e
        WHERE e.product_id = k.product_id AND e.store_id = k.store_id
          AND e.recorded_time > k.time AND e.effective_time > k.time) AS delta_since
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[]) AS k (store_id, product_id, event_id, time)`,
};

/** After the lock: what a snapshot with an earlier beat shows of the locked stocks is in them. */
const READ_CLOCK = {
  name: 'read_clock',
  text: 'SELECT clock_timestamp() AS now, n AS beat FROM heartbeat',
};

/** What one transaction locks and reads. */
export interface LockRequest {
  /** Of all commands. */
  readonly keys: readonly StockKey[];
  /** Stocks to make placeholders for. */
  readonly making: readonly StockKey[];
  readonly commands: readonly Command[];
  /** Counts of the past among them. */
  readonly lateCounts: readonly Command[];
  /** Whose logs the commands come from, distinct; none where they come from callers. */
  readonly logsOf: readonly string[];
  /** Leaves out stocks that another transaction has locked, and does not wait for them. */
  readonly skipLocked: boolean;
}

export interface Locked {
  readonly stocks: readonly StockRow[];
  /** The events that the commands' ids already have. */
  readonly events: readonly PriorEvent[];
  /** For each count of the past. */
  readonly counts: readonly CountFound[];
  /** For stocks that were counted; only where there are logs. */
  readonly lastCounts: readonly LastCount[];
  /** How far the logs are; of those that others have locked, nothing. */
  readonly cursors: readonly LogCursor[];
  /** The database's clock, read after the lock. */
  readonly nowUs: number;
  /** Which stocks there are, locked by us or by others. Only what is locked may be judged. */
  readonly existing: readonly StockKey[];
  /** In a snapshot from after the lock. */
  readonly beat: bigint;
}

/**
 * Opens the transaction, makes placeholders, locks the stocks and reads what the commands need, in one round trip.
 * The events are read by a statement of their own after the lock: joined into the locking one, they would be read in
 * the snapshot from before the wait, and an event that the lock's holder just committed would be missed.
 */
export async function beginAndLock(client: Client, request: LockRequest): Promise<Locked> {
  const { keys, making, commands, lateCounts, logsOf, skipLocked } = request;
  const lock = { ...(skipLocked ? LOCK_FREE_STOCKS : LOCK_STOCKS), values: keyArrays(keys) };
  const lockLogs = { ...(skipLocked ? LOCK_FREE_CURSORS : LOCK_CURSORS), values: [textArray(logsOf)] };
  const hasLogs = logsOf.length > 0;
  const answers = inOneWrite(
    client,
    () =>
      [
        client.query(BEGIN),
        hasLogs ? client.query(lockLogs) : undefined,
        making.length > 0 ? client.query({ ...CREATE_PLACEHOLDERS, values: keyArrays(making) }) : undefined,
        client.query(lock),
        skipLocked ? client.query({ ...FIND_STOCKS, values: keyArrays(keys) }) : undefined,
        client.query({ ...FIND_EVENTS, values: identityArrays(commands) }),
        lateCounts.length > 0 ? client.query({ ...READ_COUNTS, values: countArrays(lateCounts) }) : undefined,
        hasLogs ? client.query({ ...READ_LAST_COUNTS, values: keyArrays(keys) }) : undefined,
        client.query(READ_CLOCK),
      ] as const,
  );
  const [, cursors, , locked, found, events, counts, lastCounts, clock] = await Promise.all(answers);
  const stocks = locked.rows.map(toStockRow);
  const [clockRow] = clock.rows;
  if (clockRow === undefined) throw new Error('the heartbeat row is missing: run the migrations');
  return {
    stocks,
    existing: found?.rows.map(toStockKey) ?? stocks,
    events: events.rows.map(toPriorEvent),
    counts: counts?.rows.map(toCountFound) ?? [],
    lastCounts: lastCounts?.rows.map(toLastCount) ?? [],
    cursors: cursors?.rows.map(toLogCursor) ?? [],
    nowUs: clockRow.now,
    beat: clockRow.beat,
  };
}

/** Which of these stocks there are by now, whether or not others have locked them. */
export async function findStocks(client: Client, keys: readonly StockKey[]): Promise<StockKey[]> {
  return (await client.query({ ...FIND_STOCKS, values: keyArrays(keys) })).rows.map(toStockKey);
}

/** What messages need to know besides, once it is known where they stand: in one more round trip, under the same locks. */
export async function readFurther(
  client: Client,
  ids: readonly Pick<Command, 'storeId' | 'eventId'>[],
  counts: readonly Command[],
): Promise<{ readonly events: PriorEvent[]; readonly counts: CountFound[] }> {
  const answers = inOneWrite(
    client,
    () =>
      [
        client.query({ ...FIND_EVENTS, values: identityArrays(ids) }),
        client.query({ ...READ_COUNTS, values: countArrays(counts) }),
      ] as const,
  );
  const [prior, counted] = await Promise.all(answers);
  return { events: prior.rows.map(toPriorEvent), counts: counted.rows.map(toCountFound) };
}

const toStockKey = (row: { store_id: string; product_id: string }): StockKey => ({
  storeId: row.store_id,
  productId: row.product_id,
});

const identityArrays = (commands: readonly Pick<Command, 'storeId' | 'eventId'>[]): string[] => [
  textArray(commands.map((command) => command.storeId)),
  plainArray(commands.map((command) => command.eventId)),
];

const countArrays = (counts: readonly Command[]): string[] => [
  ...keyArrays(counts),
  plainArray(counts.map((count) => count.eventId)),
  plainArray(counts.map((count) => formatTimestampUs(count.effectiveTimeUs ?? count.occurredTimeUs!))),
];

/** The columns of a stock, as the driver gives them. */
export interface StockColumns {
  store_id: string;
  product_id: string;
  net: number;
  version: bigint;
  create_time: number;
  update_time: number;
}

/** A row of the stock table in the domain's words. */
export const toStockRow = (row: StockColumns): StockRow => ({
  storeId: row.store_id,
  productId: row.product_id,
  net: row.net,
  version: row.version,
  createTimeUs: row.create_time,
  updateTimeUs: row.update_time,
});

interface EventColumns {
  store_id: string;
  product_id: string;
  event_id: string;
  status: PriorEvent['status'];
  effect: PriorEvent['effect'];
  reason: NonNullable<PriorEvent['reason']> | null;
  requested_delta: number;
  net_before: number;
  net_after: number;
  judged_net: number | null;
  version: bigint;
  recorded_time: number;
  origin: PriorEvent['origin'];
  fingerprint: string;
}

const toPriorEvent = (row: EventColumns): PriorEvent => ({
  storeId: row.store_id,
  productId: row.product_id,
  eventId: row.event_id,
  status: row.status,
  effect: row.effect,
  reason: row.reason ?? undefined,
  requestedDelta: row.requested_delta,
  netBefore: row.net_before,
  netAfter: row.net_after,
  judgedNet: row.judged_net ?? undefined,
  version: row.version,
  recordedTimeUs: row.recorded_time,
  origin: row.origin,
  fingerprint: row.fingerprint,
});

interface CountColumns {
  store_id: string;
  event_id: string;
  last_count_time: number | null;
  delta_since: number;
}

const toCountFound = (row: CountColumns): CountFound => ({
  storeId: row.store_id,
  eventId: row.event_id,
  lastCountTimeUs: row.last_count_time ?? undefined,
  deltaSince: row.delta_since,
});
