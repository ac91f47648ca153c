import type { LastCount } from '../domain/judge-submissions.js';
import type { LogCursor } from '../domain/types.js';
import { textArray } from './array-literal.js';
import type { Client, Pool } from './pool.js';

/** The statements about stores' logs: how far each has been taken in, and which stream of a store is the newest. */

const COLUMNS = 'store_id, epoch, sequence, stream, last_effective_time';

/** In the order of stores, before any stock: so two transactions with messages of the same stores cannot deadlock. */
export const LOCK_CURSORS = {
  name: 'lock_cursors',
  text: `SELECT ${COLUMNS} FROM sync_cursor WHERE store_id = ANY ($1::text[]) ORDER BY store_id FOR NO KEY UPDATE`,
};

export const LOCK_FREE_CURSORS = { name: 'lock_free_cursors', text: `${LOCK_CURSORS.text} SKIP LOCKED` };

/** When stocks were last counted; a probe of the index of counts for each. */
export const READ_LAST_COUNTS = {
  name: 'read_last_counts',
  text: `SELECT * FROM (
      SELECT k.store_id, k.product_id, (SELECT max(e.effective_time) FROM event_log e
        WHERE e.product_id = k.product_id AND e.store_id = k.store_id AND e.type = 'COUNT' AND e.status = 'SUCCESS'
      ) AS time
      FROM unnest($1::text[], $2::text[]) AS k (store_id, product_id)
    ) c WHERE time IS NOT NULL`,
};

const BEGIN_EPOCH = {
  name: 'begin_epoch',
  text: `INSERT INTO sync_cursor AS c (store_id, epoch, stream) VALUES ($1, 1, 1)
    ON CONFLICT (store_id) DO UPDATE
      SET epoch = c.epoch + 1, sequence = 0, last_effective_time = NULL, stream = c.stream + 1
    RETURNING ${COLUMNS}`,
};

const RESUME_EPOCH = {
  name: 'resume_epoch',
  text: `UPDATE sync_cursor SET stream = stream + 1 WHERE store_id = $1 AND epoch = $2 RETURNING ${COLUMNS}`,
};

const FIND_EPOCH = { name: 'find_epoch', text: 'SELECT epoch FROM sync_cursor WHERE store_id = $1' };

const NEWEST_STREAMS = 'SELECT store_id, stream FROM sync_cursor WHERE store_id = ANY ($1::text[])';

/** Begins a new epoch of a store's log, with a new stream. */
export async function beginEpoch(client: Client, storeId: string): Promise<LogCursor> {
  const { rows } = await client.query({ ...BEGIN_EPOCH, values: [storeId] });
  return toLogCursor(rows[0]);
}

/** A new stream of a log; where the store's epoch is another one, that. */
export async function resumeEpoch(
  client: Client,
  storeId: string,
  epoch: bigint,
): Promise<LogCursor | { readonly otherEpoch: bigint | undefined }> {
  const { rows } = await client.query({ ...RESUME_EPOCH, values: [storeId, epoch] });
  if (rows.length > 0) return toLogCursor(rows[0]);
  const found = await client.query({ ...FIND_EPOCH, values: [storeId] });
  return { otherEpoch: found.rows[0]?.epoch };
}

/** The number of each store's newest stream. @throws what the connection or the server says. */
export async function newestStreams(
  pool: Pool,
  storeIds: readonly string[],
): Promise<ReadonlyMap<string, bigint>> {
  const { rows } = await pool.query({ text: NEWEST_STREAMS, values: [textArray(storeIds)] });
  return new Map(rows.map((row) => [row.store_id, row.stream]));
}

interface CursorColumns {
  store_id: string;
  epoch: bigint;
  sequence: bigint;
  stream: bigint;
  last_effective_time: number | null;
}

export const toLogCursor = (row: CursorColumns): LogCursor => ({
  storeId: row.store_id,
  epoch: row.epoch,
  sequence: row.sequence,
  stream: row.stream,
  lastEffectiveTimeUs: row.last_effective_time ?? undefined,
});

export const toLastCount = (row: { store_id: string; product_id: string; time: number }): LastCount => ({
  storeId: row.store_id,
  productId: row.product_id,
  timeUs: row.time,
});
