import type { PriorEvent, StockEvent, StockKey, StockRow } from '../domain/types.js';
import { plainArray, textArray } from './array-literal.js';
import { type Client, inOneWrite } from './pool.js';
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

export const FIND_EVENTS = {
  name: 'find_events',
  text: `SELECT e.store_id, e.product_id, e.event_id, e.status, e.reason, e.requested_delta, e.net_before, e.net_after,
      e.version, e.recorded_time, e.fingerprint
    FROM unnest($1::text[], $2::uuid[]) AS k (store_id, event_id)
    JOIN event_log e ON e.store_id = k.store_id AND e.event_id = k.event_id`,
};

const READ_CLOCK = { name: 'read_clock', text: 'SELECT clock_timestamp() AS now' };

/**
 * Events go in by event id, so that two transactions with the same ids meet in the same order and cannot deadlock. Their
 * numbers are taken before that, in the order in which they were decided: it is the order of history.
 */
const WRITE = {
  name: 'write_batch',
  text: `WITH events AS (
      INSERT INTO event_log (seq, store_id, product_id, event_id, type, status, effect, reason, requested_delta,
        applied_delta, net_before, net_after, version, occurred_time, effective_time, actor, origin, metadata,
        fingerprint, recorded_time)
      OVERRIDING SYSTEM VALUE
      SELECT e.*, $19::timestamptz FROM (
        SELECT nextval('event_log_seq_seq'), d.* FROM unnest($1::text[], $2::text[], $3::uuid[], $4::operation_type[],
          $5::event_status[], $6::effect[], $7::text[], $8::int[], $9::int[], $10::int[], $11::int[], $12::bigint[],
          $13::timestamptz[], $14::timestamptz[], $15::text[], $16::origin[], $17::jsonb[], $18::text[])
          AS d (store_id, product_id, event_id)
      ) AS e
      ORDER BY e.store_id, e.event_id
    )
    UPDATE stock SET net = c.net, version = c.version, update_time = $19,
      create_time = CASE WHEN stock.version = 0 THEN $19 ELSE stock.create_time END
    FROM unnest($20::text[], $21::text[], $22::int[], $23::bigint[]) AS c (store_id, product_id, net, version)
    WHERE stock.store_id = c.store_id AND stock.product_id = c.product_id`,
};

/** What the transaction found: the locked stocks, the events that its ids already have, and the time after the lock. */
export interface LockedBatch {
  readonly stocks: readonly StockRow[];
  readonly events: readonly PriorEvent[];
  readonly nowUs: number;
}

export interface EventIdentity {
  readonly storeId: string;
  readonly eventId: string;
}

/**
 * Opens the transaction, makes placeholders, locks the stocks and reads what the batch needs, in one round trip.
 * The events are read by a statement of their own after the lock: joined into the locking one, they would be read in
 * the snapshot from before the wait, and an event that the lock's holder just committed would be missed.
 */
export async function beginAndLock(
  client: Client,
  keys: readonly StockKey[],
  missing: readonly StockKey[],
  identities: readonly EventIdentity[],
): Promise<LockedBatch> {
  const ids = [textArray(identities.map((i) => i.storeId)), plainArray(identities.map((i) => i.eventId))];
  const answers = inOneWrite(
    client,
    () =>
      [
        client.query(BEGIN),
        missing.length > 0 ? client.query({ ...CREATE_PLACEHOLDERS, values: keyArrays(missing) }) : undefined,
        client.query({ ...LOCK_STOCKS, values: keyArrays(keys) }),
        client.query({ ...FIND_EVENTS, values: ids }),
        client.query(READ_CLOCK),
      ] as const,
  );
  const [, , stocks, events, clock] = await Promise.all(answers);
  return {
    stocks: stocks.rows.map(toStockRow),
    events: events.rows.map(toPriorEvent),
    nowUs: clock.rows[0].now,
  };
}

/** Sends the writes and COMMIT together. Resolves to COMMIT's tag, which must be `COMMIT`. */
export async function writeAndCommit(
  client: Client,
  events: readonly StockEvent[],
  stocks: readonly StockRow[],
  nowUs: number,
  onCommitSent: () => void,
): Promise<string> {
  const write =
    events.length > 0 ? client.query({ ...WRITE, values: writeValues(events, stocks, nowUs) }) : undefined;
  const commit = client.query(COMMIT);
  onCommitSent();
  const [, committed] = await Promise.all([write, commit]);
  return committed.command;
}

const keyArrays = (keys: readonly StockKey[]): string[] => [
  textArray(keys.map((key) => key.storeId)),
  textArray(keys.map((key) => key.productId)),
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
    plainArray(events.map((e) => e.version)),
    plainArray(events.map((e) => time(e.occurredTimeUs))),
    plainArray(events.map((e) => time(e.effectiveTimeUs))),
    textArray(events.map((e) => e.actor)),
    plainArray(events.map((e) => e.origin)),
    textArray(events.map((e) => JSON.stringify(e.metadata))),
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
  reason: NonNullable<PriorEvent['reason']> | null;
  requested_delta: number;
  net_before: number;
  net_after: number;
  version: bigint;
  recorded_time: number;
  fingerprint: string;
}

const toPriorEvent = (row: EventColumns): PriorEvent => ({
  storeId: row.store_id,
  productId: row.product_id,
  eventId: row.event_id,
  status: row.status,
  reason: row.reason ?? undefined,
  requestedDelta: row.requested_delta,
  netBefore: row.net_before,
  netAfter: row.net_after,
  version: row.version,
  recordedTimeUs: row.recorded_time,
  fingerprint: row.fingerprint,
});
