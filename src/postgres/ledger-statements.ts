import type { CountFound, Found, Verdict } from '../domain/judge-submissions.js';
import type { Command, PriorEvent, StockEvent, StockKey, StockRow } from '../domain/types.js';
import { plainArray, textArray } from './array-literal.js';
import { inOneWrite } from './client-socket.js';
import type { Client } from './pool.js';
import { formatTimestampUs } from './timestamps.js';

/**
 * The statements of the ledger's one transaction, in the order in which they run (see src/ledger/batch.ts for why).
 * Each is prepared once per connection; each has one shape whatever the number of rows.
 */

const BEGIN = { name: 'begin', text: 'BEGIN' };
const COMMIT = { name: 'commit', text: 'COMMIT' };

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
      e.net_after, e.judged_net, e.version, e.recorded_time, e.fingerprint
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

/**
 * Events go in by event id, so that two transactions with the same ids meet in the same order and cannot deadlock. Their
 * numbers are taken before that, in the order in which they were decided: it is the order of history.
 */
const WRITE = {
  name: 'write_batch',
  text: `WITH events AS (
      INSERT INTO event_log (seq, store_id, product_id, event_id, type, status, effect, reason, requested_delta,
        applied_delta, net_before, net_after, judged_net, version, occurred_time, effective_time, actor, origin,
        metadata, operation_reason, fingerprint, recorded_time)
      OVERRIDING SYSTEM VALUE
      SELECT e.*, $21::timestamptz FROM (
        SELECT nextval('event_log_seq_seq'), d.* FROM unnest($1::text[], $2::text[], $3::uuid[], $4::operation_type[],
          $5::event_status[], $6::effect[], $7::text[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[],
          $13::bigint[], $14::timestamptz[], $15::timestamptz[], $16::text[], $17::origin[], $18::jsonb[], $19::text[],
          $20::text[]) AS d (store_id, product_id, event_id)
      ) AS e
      ORDER BY e.store_id, e.event_id
    )
    UPDATE stock SET net = c.net, version = c.version, update_time = $21,
      create_time = CASE WHEN stock.version = 0 THEN $21 ELSE stock.create_time END
    FROM unnest($22::text[], $23::text[], $24::int[], $25::bigint[]) AS c (store_id, product_id, net, version)
    WHERE stock.store_id = c.store_id AND stock.product_id = c.product_id`,
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
  /** Leaves out stocks that another transaction has locked, and does not wait for them. */
  readonly skipLocked: boolean;
}

export interface Locked extends Found {
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
  const { keys, making, commands, lateCounts, skipLocked } = request;
  const lock = { ...(skipLocked ? LOCK_FREE_STOCKS : LOCK_STOCKS), values: keyArrays(keys) };
  const answers = inOneWrite(
    client,
    () =>
      [
        client.query(BEGIN),
        making.length > 0 ? client.query({ ...CREATE_PLACEHOLDERS, values: keyArrays(making) }) : undefined,
        client.query(lock),
        skipLocked ? client.query({ ...FIND_STOCKS, values: keyArrays(keys) }) : undefined,
        client.query({ ...FIND_EVENTS, values: identityArrays(commands) }),
        lateCounts.length > 0 ? client.query({ ...READ_COUNTS, values: countArrays(lateCounts) }) : undefined,
        client.query(READ_CLOCK),
      ] as const,
  );
  const [, , locked, found, events, counts, clock] = await Promise.all(answers);
  const stocks = locked.rows.map(toStockRow);
  const [clockRow] = clock.rows;
  if (clockRow === undefined) throw new Error('the heartbeat row is missing: run the migrations');
  return {
    stocks,
    existing: found?.rows.map(toStockKey) ?? stocks,
    events: events.rows.map(toPriorEvent),
    counts: counts?.rows.map(toCountFound) ?? [],
    nowUs: clockRow.now,
    beat: clockRow.beat,
  };
}

/** Which of these stocks there are by now, whether or not others have locked them. */
export async function findStocks(client: Client, keys: readonly StockKey[]): Promise<StockKey[]> {
  return (await client.query({ ...FIND_STOCKS, values: keyArrays(keys) })).rows.map(toStockKey);
}

/** What PostgreSQL said to COMMIT. */
export interface CommitAnswer {
  /** Must be `COMMIT`: the answer to COMMIT of a failed transaction is ROLLBACK. */
  readonly tag: string;
  /** The wait for a synchronous standby was given up: the commit is durable on the primary alone. */
  readonly warned: boolean;
}

/** Sends the writes and COMMIT together. */
export async function writeAndCommit(
  client: Client,
  { events, stocks }: Pick<Verdict, 'events' | 'stocks'>,
  nowUs: number,
): Promise<CommitAnswer> {
  let warned = false;
  // By its SQLSTATE: the word WARNING is in the server's language. 00000 is a notice, all others warn.
  const onNotice = ({ code }: { code?: string | undefined }) => {
    warned ||= code !== '00000';
  };
  client.on('notice', onNotice);
  try {
    const write =
      events.length > 0 ? client.query({ ...WRITE, values: writeValues(events, stocks, nowUs) }) : undefined;
    const commit = client.query(COMMIT);
    const [, committed] = await Promise.all([write, commit]);
    return { tag: committed.command, warned };
  } finally {
    client.off('notice', onNotice);
  }
}

const toStockKey = (row: { store_id: string; product_id: string }): StockKey => ({
  storeId: row.store_id,
  productId: row.product_id,
});

const keyArrays = (keys: readonly StockKey[]): string[] => [
  textArray(keys.map((key) => key.storeId)),
  textArray(keys.map((key) => key.productId)),
];

const identityArrays = (commands: readonly Command[]): string[] => [
  textArray(commands.map((command) => command.storeId)),
  plainArray(commands.map((command) => command.eventId)),
];

const countArrays = (counts: readonly Command[]): string[] => [
  ...keyArrays(counts),
  plainArray(counts.map((count) => count.eventId)),
  plainArray(counts.map((count) => formatTimestampUs(count.occurredTimeUs!))),
];

function writeValues(events: readonly StockEvent[], stocks: readonly StockRow[], nowUs: number): string[] {
  const now = formatTimestampUs(nowUs);
  const time = (timeUs: number) => (timeUs === nowUs ? now : formatTimestampUs(timeUs));
  return [
    textArray(events.map((e) => e.storeId)),
    textArray(events.map((e) => e.productId)),
    plainArray(events.map((e) => e.eventId)),
    plainArray(events.map((e) => e.type)),
    plainArray(events.map((e) => e.status)),
    plainArray(events.map((e) => e.effect)),
    textArray(events.map((e) => e.reason)),
    plainArray(events.map((e) => e.requestedDelta)),
    plainArray(events.map((e) => e.appliedDelta)),
    plainArray(events.map((e) => e.netBefore)),
    plainArray(events.map((e) => e.netAfter)),
    plainArray(events.map((e) => e.judgedNet ?? 'NULL')),
    plainArray(events.map((e) => e.version)),
    plainArray(events.map((e) => time(e.occurredTimeUs))),
    plainArray(events.map((e) => time(e.effectiveTimeUs))),
    textArray(events.map((e) => e.actor)),
    plainArray(events.map((e) => e.origin)),
    textArray(events.map((e) => JSON.stringify(e.metadata))),
    textArray(events.map((e) => e.operationReason)),
    textArray(events.map((e) => e.fingerprint)),
    now,
    ...keyArrays(stocks),
    plainArray(stocks.map((s) => s.net)),
    plainArray(stocks.map((s) => s.version)),
  ];
}

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
