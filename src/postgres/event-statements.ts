import type { RecordedEvent } from '../domain/types.js';
import { BEAT, type ReadFrom, readSnapshot, type Snapshot } from './snapshot.js';
import { formatTimestampUs } from './timestamps.js';

/** Reads of the event log, a page at a time, in the order of (recorded_time, seq). */

/** Which events to list; what is undefined does not matter. */
export interface EventFilter {
  readonly storeId: string;
  readonly productId: string | undefined;
  readonly eventId: string | undefined;
  readonly type: RecordedEvent['type'] | undefined;
  readonly status: RecordedEvent['status'] | undefined;
  readonly origin: RecordedEvent['origin'] | undefined;
  readonly actor: string | undefined;
  /** Recorded at this time or later. */
  readonly startTimeUs: number;
  /** Recorded before this time. */
  readonly endTimeUs: number;
  /** The newest first. */
  readonly descending: boolean;
}

/** Where an event stands in the order of history. */
export interface EventPosition {
  readonly recordedTimeUs: number;
  readonly seq: bigint;
}

/** A page of history, and where the next one begins, if there is more to look at. */
export interface EventPage extends Snapshot {
  readonly events: RecordedEvent[];
  readonly next: EventPosition | undefined;
}

/** A page looks at no more events than this, so that a filter that hardly any event meets cannot hold up the database. */
export const EVENTS_LOOKED_AT = 10_000;

const COLUMNS = `e.store_id, e.seq, e.event_id, e.product_id, e.type, e.status, e.effect, e.reason, e.requested_delta,
  e.applied_delta, e.net_before, e.net_after, e.version, e.occurred_time, e.effective_time, e.recorded_time, e.actor,
  e.origin, e.metadata, e.operation_reason, e.sync_epoch, e.sync_sequence, e.meets_filter, e.nth`;

/**
 * The events of a page, and the last one that was looked at where the limit of that was reached. `seq > 0` holds always;
 * without it the index of a store's history would not be taken.
 */
const pageText = (range: string, order: 'ASC' | 'DESC') => `
  SELECT ${BEAT}, ${COLUMNS} FROM heartbeat h LEFT JOIN (
    SELECT * FROM (
      SELECT *, row_number() OVER (ORDER BY recorded_time ${order}, seq ${order}) AS nth,
        ($7::operation_type IS NULL OR type = $7) AND ($8::event_status IS NULL OR status = $8)
        AND ($9::origin IS NULL OR origin = $9) AND ($10::text IS NULL OR actor = $10) AS meets_filter
      FROM event_log
      WHERE store_id = $1 AND ($2::text IS NULL OR product_id = $2) AND ($3::uuid IS NULL OR event_id = $3)
        AND ${range} AND seq > 0
      ORDER BY recorded_time ${order}, seq ${order} LIMIT $11
    ) looked_at
    WHERE meets_filter OR nth = $11
    ORDER BY recorded_time ${order}, seq ${order} LIMIT $12
  ) e ON true
  ORDER BY e.recorded_time ${order}, e.seq ${order}`;

/**
 * Not prepared: each call is planned for the filter that it has. A plan for any filter could take neither the product's
 * index nor the event id's.
 */
const OLDEST_FIRST = {
  text: pageText('(recorded_time, seq) > ($4::timestamptz, $5::bigint) AND recorded_time < $6', 'ASC'),
};
const NEWEST_FIRST = {
  text: pageText('(recorded_time, seq) < ($4::timestamptz, $5::bigint) AND recorded_time >= $6', 'DESC'),
};

/** At most `size` events after a position, or from the beginning. */
export async function listEvents(
  from: ReadFrom,
  filter: EventFilter,
  after: EventPosition | undefined,
  size: number,
): Promise<EventPage> {
  const { storeId, productId, eventId, type, status, origin, actor, startTimeUs, endTimeUs } = filter;
  const [firstUs, lastUs] = filter.descending ? [endTimeUs, startTimeUs] : [startTimeUs, endTimeUs];
  // No event has seq 0: it stands before all events of its time.
  const { recordedTimeUs, seq } = after ?? { recordedTimeUs: firstUs, seq: 0n };
  const range = [formatTimestampUs(recordedTimeUs), seq, formatTimestampUs(lastUs)];
  const { rows, snapshot } = await readSnapshot<EventColumns>(
    from,
    filter.descending ? NEWEST_FIRST : OLDEST_FIRST,
    [storeId, productId, eventId, ...range, type, status, origin, actor, EVENTS_LOOKED_AT, size + 1],
  );
  const page = rows.slice(0, size);
  const more = rows.length > size || page.at(-1)?.nth === BigInt(EVENTS_LOOKED_AT);
  const last = more ? page.at(-1) : undefined;
  return {
    ...snapshot,
    events: page.filter((row) => row.meets_filter).map(toRecordedEvent),
    next: last && { recordedTimeUs: last.recorded_time, seq: last.seq },
  };
}

interface EventColumns {
  store_id: string;
  seq: bigint;
  event_id: string;
  product_id: string;
  type: RecordedEvent['type'];
  status: RecordedEvent['status'];
  effect: RecordedEvent['effect'];
  reason: NonNullable<RecordedEvent['reason']> | null;
  requested_delta: number;
  applied_delta: number;
  net_before: number;
  net_after: number;
  version: bigint;
  occurred_time: number;
  effective_time: number;
  recorded_time: number;
  actor: string;
  origin: RecordedEvent['origin'];
  metadata: Record<string, string>;
  operation_reason: string | null;
  sync_epoch: bigint | null;
  sync_sequence: bigint | null;
  meets_filter: boolean;
  nth: bigint;
}

const toRecordedEvent = (row: EventColumns): RecordedEvent => ({
  storeId: row.store_id,
  eventId: row.event_id,
  productId: row.product_id,
  type: row.type,
  status: row.status,
  effect: row.effect,
  reason: row.reason ?? undefined,
  requestedDelta: row.requested_delta,
  appliedDelta: row.applied_delta,
  netBefore: row.net_before,
  netAfter: row.net_after,
  version: row.version,
  occurredTimeUs: row.occurred_time,
  effectiveTimeUs: row.effective_time,
  recordedTimeUs: row.recorded_time,
  actor: row.actor,
  origin: row.origin,
  metadata: row.metadata,
  operationReason: row.operation_reason ?? undefined,
  syncEpoch: row.sync_epoch ?? 0n,
  syncSequence: row.sync_sequence ?? 0n,
});
