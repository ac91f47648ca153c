import type { StockChange } from '../domain/types.js';
import { TIMELINE, toTimeline } from './beat-statements.js';
import type { Pool } from './pool.js';

/**
 * Follows the event log by the transactions that wrote it. Numbers are given out before the commit, so that neither `seq`
 * nor `xid` tells what is new; the snapshots of two statements do (see src/feed/cursor.ts).
 */

/** Settings of the sessions that poll: a plan made on an empty log must not stay a scan, and LIMIT must end the search. */
export const FEED_SESSION_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
} as const;

/** Events that have been seen: those of transactions up to `last`, but for the ones that were running. */
export interface Seen {
  readonly last: bigint;
  readonly running: readonly bigint[];
}

/** What a statement tells about the server and the snapshot that it read in. */
export interface FeedHeader {
  /** performance.now() before the statement was sent. */
  readonly sentMs: number;
  /** The server's clock when it answered. */
  readonly nowUs: number;
  readonly beat: bigint;
  readonly beatTimeUs: number;
  /** The timeline that it writes; undefined for a standby. */
  readonly timeline: bigint | undefined;
  /** Commits wait for a standby. */
  readonly synchronous: boolean;
  /** Transactions without an outcome yet, in this snapshot. */
  readonly running: readonly bigint[];
  /** The highest transaction with an event that is there, a refusal or a change; 0 where there is none. */
  readonly highest: bigint;
  /** An event of the transaction `last` is there, or none was asked for: the log is the one that was seen. */
  readonly lastIsThere: boolean;
}

/** What came to be seen since. */
export interface FeedRead {
  readonly header: FeedHeader;
  readonly changes: readonly StockChange[];
}

/** Which database it is, and where its log stands. */
export interface FeedStart {
  readonly header: FeedHeader;
  readonly database: string;
}

const header = (last: string) => `
  SELECT pg_current_snapshot()::text AS snapshot, n AS beat, time AS beat_time, clock_timestamp() AS now, ${TIMELINE},
    current_setting('synchronous_standby_names') <> '' AS synchronous,
    coalesce((SELECT xid FROM event_log ORDER BY xid DESC LIMIT 1), '0') AS highest,
    ${last} = '0' OR EXISTS (SELECT FROM event_log WHERE xid = ${last}) AS last_is_there
  FROM heartbeat`;

/** What changes a stock, and nothing else. */
export const CHANGED = `effect IN ('APPLIED', 'OVERSOLD')`;
export const CHANGE_COLUMNS = `store_id, product_id, event_id, type, effect, requested_delta, applied_delta, net_after, version,
  occurred_time, recorded_time, actor, origin, sync_epoch, sync_sequence`;

const START = {
  name: 'start_feed',
  text: `SELECT h.*, (SELECT system_identifier FROM pg_control_system()) AS system,
      (SELECT oid FROM pg_database WHERE datname = current_database()) AS database
    FROM (${header("'0'::xid8")}) h`,
};

/**
 * A row of the header alone, then the changes without it: to repeat it with each would cost more than they do. Exported for
 * the test of its plan.
 */
export const POLL = {
  name: 'poll_feed',
  text: `WITH header AS MATERIALIZED (${header('$1::xid8')})
    SELECT * FROM header FULL JOIN (
      SELECT * FROM (
        SELECT ${CHANGE_COLUMNS} FROM event_log WHERE xid > $1 AND ${CHANGED}
        UNION ALL
        SELECT ${CHANGE_COLUMNS} FROM event_log WHERE xid = ANY ($2::xid8[]) AND ${CHANGED}
      ) changes LIMIT $3
    ) c ON false`,
};

/** Begins at what the log holds now. @throws what the connection or the server says. */
export async function startFeed(pool: Pool): Promise<FeedStart> {
  const sentMs = performance.now();
  const { rows } = await pool.query(START);
  const row = rows[0];
  if (row === undefined) throw new Error('the heartbeat row is missing: run the migrations');
  return { header: toHeader(row, sentMs), database: `${row.system}-${row.database}` };
}

/** At most `limit` changes that were committed since, in no order. @throws what the connection or the server says. */
export async function pollFeed(pool: Pool, { last, running }: Seen, limit: number): Promise<FeedRead> {
  const sentMs = performance.now();
  const { rows } = await pool.query({ ...POLL, values: [last, running, limit] });
  const first = rows.findIndex((row) => row.snapshot !== null);
  if (first < 0) throw new Error('the heartbeat row is missing: run the migrations');
  const [headerRow] = rows.splice(first, 1);
  return { header: toHeader(headerRow, sentMs), changes: rows.map(toChange) };
}

interface HeaderColumns {
  snapshot: string;
  beat: bigint;
  beat_time: number;
  now: number;
  timeline: string | null;
  synchronous: boolean;
  highest: string;
  last_is_there: boolean;
}

export interface ChangeColumns {
  store_id: string;
  product_id: string;
  event_id: string;
  type: StockChange['type'];
  effect: StockChange['effect'];
  requested_delta: number;
  applied_delta: number;
  net_after: number;
  version: bigint;
  occurred_time: number;
  recorded_time: number;
  actor: string;
  origin: StockChange['origin'];
  sync_epoch: bigint | null;
  sync_sequence: bigint | null;
}

const toHeader = (row: HeaderColumns, sentMs: number): FeedHeader => ({
  sentMs,
  nowUs: row.now,
  beat: row.beat,
  beatTimeUs: row.beat_time,
  timeline: toTimeline(row.timeline),
  synchronous: row.synchronous,
  running: runningIn(row.snapshot),
  highest: BigInt(row.highest),
  lastIsThere: row.last_is_there,
});

/** The third part of `xmin:xmax:xip,xip`. */
function runningIn(snapshot: string): bigint[] {
  const list = snapshot.slice(snapshot.lastIndexOf(':') + 1);
  return list === '' ? [] : list.split(',').map(BigInt);
}

export const toChange = (row: ChangeColumns): StockChange => ({
  storeId: row.store_id,
  productId: row.product_id,
  eventId: row.event_id,
  type: row.type,
  effect: row.effect,
  requestedDelta: row.requested_delta,
  appliedDelta: row.applied_delta,
  netAfter: row.net_after,
  version: row.version,
  occurredTimeUs: row.occurred_time,
  recordedTimeUs: row.recorded_time,
  actor: row.actor,
  origin: row.origin,
  syncEpoch: row.sync_epoch ?? 0n,
  syncSequence: row.sync_sequence ?? 0n,
});
