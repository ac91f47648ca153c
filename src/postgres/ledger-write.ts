import type { LogCursor, StockEvent, StockRow } from '../domain/types.js';
import { keyArrays, plainArray, textArray } from './array-literal.js';
import type { Client } from './pool.js';
import { formatTimestampUs } from './timestamps.js';
import { noticingWarnings } from './warnings.js';

/** The second half of the ledger's transaction (see src/ledger/batch.ts): one statement writes all, then COMMIT. */

const COMMIT = { name: 'commit', text: 'COMMIT' };
/** Has checked at once what else would be checked by COMMIT. */
const CHECK_ALL = { name: 'check_all', text: 'SET CONSTRAINTS ALL IMMEDIATE' };

/**
 * Events go in by event id, so that two transactions with the same ids meet in the same order and cannot deadlock. Their
 * numbers are taken before that, in the order in which they were decided: it is the order of history.
 */
const writeText = (log: { columns: string; arrays: string; cursors: string }) => `WITH events AS (
      INSERT INTO event_log (seq, store_id, product_id, event_id, type, status, effect, reason, requested_delta,
        applied_delta, net_before, net_after, judged_net, version, occurred_time, effective_time, actor, origin,
        metadata, operation_reason, fingerprint${log.columns}, recorded_time)
      OVERRIDING SYSTEM VALUE
      SELECT e.*, $21::timestamptz FROM (
        SELECT nextval('event_log_seq_seq'), d.* FROM unnest($1::text[], $2::text[], $3::uuid[], $4::operation_type[],
          $5::event_status[], $6::effect[], $7::text[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[],
          $13::bigint[], $14::timestamptz[], $15::timestamptz[], $16::text[], $17::origin[], $18::jsonb[], $19::text[],
          $20::text[]${log.arrays}) AS d (store_id, product_id, event_id)
      ) AS e
      ORDER BY e.store_id, e.event_id
    )${log.cursors}
    UPDATE stock SET net = c.net, version = c.version, update_time = $21,
      create_time = CASE WHEN stock.version = 0 THEN $21 ELSE stock.create_time END
    FROM unnest($22::text[], $23::text[], $24::int[], $25::bigint[]) AS c (store_id, product_id, net, version)
    WHERE stock.store_id = c.store_id AND stock.product_id = c.product_id`;

const WRITE = { name: 'write_batch', text: writeText({ columns: '', arrays: '', cursors: '' }) };

/** The same for messages of stores' logs: their events tell where they stand, and the logs' cursors move on. */
const WRITE_MESSAGES = {
  name: 'write_messages',
  text: writeText({
    columns: ', sync_epoch, sync_sequence',
    arrays: ', $26::bigint[], $27::bigint[]',
    cursors: `, cursors AS (
      UPDATE sync_cursor SET sequence = l.sequence, last_effective_time = l.time
      FROM unnest($28::text[], $29::bigint[], $30::timestamptz[]) AS l (store_id, sequence, time)
      WHERE sync_cursor.store_id = l.store_id
    )`,
  }),
};

/** What PostgreSQL said to COMMIT. */
export interface CommitAnswer {
  /** Must be `COMMIT`: the answer to COMMIT of a failed transaction is ROLLBACK. */
  readonly tag: string;
  /** The wait for a synchronous standby was given up: the commit is durable on the primary alone. */
  readonly warned: boolean;
}

/** What a transaction writes. */
export interface Writing {
  readonly events: readonly StockEvent[];
  /** As they are now. */
  readonly stocks: readonly StockRow[];
  /** The logs that have been taken in further. */
  readonly cursors: readonly LogCursor[];
}

/** Sends the writes and COMMIT together. */
export async function writeAndCommit(client: Client, writing: Writing, nowUs: number): Promise<CommitAnswer> {
  const { value: tag, warned } = await noticingWarnings(client, async () => {
    const statement = writeStatement(writing, nowUs);
    const write = statement === undefined ? undefined : client.query(statement);
    const commit = client.query(COMMIT);
    const [, committed] = await Promise.all([write, commit]);
    return committed.command;
  });
  return { tag, warned };
}

/** Sends the writes, and has everything checked that COMMIT would check. @throws what the server says against them. */
export async function writeAndCheck(client: Client, writing: Writing, nowUs: number): Promise<void> {
  const statement = writeStatement(writing, nowUs);
  const write = statement === undefined ? undefined : client.query(statement);
  await Promise.all([write, client.query(CHECK_ALL)]);
}

function writeStatement({ events, stocks, cursors }: Writing, nowUs: number) {
  if (cursors.length === 0)
    return events.length === 0 ? undefined : { ...WRITE, values: writeValues(events, stocks, nowUs) };
  const values = [...writeValues(events, stocks, nowUs), ...logValues(events, cursors)];
  return { ...WRITE_MESSAGES, values };
}

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

const logValues = (events: readonly StockEvent[], cursors: readonly LogCursor[]): string[] => [
  plainArray(events.map((e) => e.syncEpoch || 'NULL')),
  plainArray(events.map((e) => e.syncSequence || 'NULL')),
  textArray(cursors.map((cursor) => cursor.storeId)),
  plainArray(cursors.map((cursor) => cursor.sequence)),
  plainArray(
    cursors.map(({ lastEffectiveTimeUs: us }) => (us === undefined ? 'NULL' : formatTimestampUs(us))),
  ),
];
