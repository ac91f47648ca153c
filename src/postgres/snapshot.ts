import type { Pool } from './pool.js';

/** What a snapshot tells of its own age: the heartbeat row as it stood in it; and of the server that it is from. */
export interface Snapshot {
  readonly beat: bigint;
  readonly beatTimeUs: number;
  /** The server was no primary. */
  readonly standby: boolean;
}

/** Where to read, and how long to wait for the answer. */
export interface ReadFrom {
  readonly pool: Pool;
  readonly timeoutMs: number;
}

/**
 * The heartbeat's columns, for statements of the form `SELECT ${BEAT}, … FROM heartbeat h LEFT JOIN …`: LEFT, so that
 * they come even where no row does. What is joined must have a store_id.
 */
export const BEAT = 'h.n AS beat, h.time AS beat_time, pg_is_in_recovery() AS standby';

/** Runs such a statement; gives the rows that it found, and the heartbeat of the snapshot that they were read in. */
export async function readSnapshot<Row>(
  { pool, timeoutMs }: ReadFrom,
  statement: { readonly name?: string; readonly text: string },
  values: readonly unknown[],
): Promise<{ readonly rows: Row[]; readonly snapshot: Snapshot }> {
  const query = { ...statement, values: [...values], query_timeout: Math.ceil(timeoutMs) };
  const { rows } = await pool.query(query);
  const first = rows[0];
  if (first === undefined) throw new Error('the heartbeat row is missing: run the migrations');
  const snapshot = { beat: first.beat, beatTimeUs: first.beat_time, standby: first.standby };
  return { rows: first.store_id === null ? [] : rows, snapshot };
}
