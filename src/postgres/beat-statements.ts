import { firstBeatOf } from './beat-clock.js';
import { APP_ROLE, type Pool } from './pool.js';

/** What a look at a server tells. */
export interface Look {
  /** performance.now() before the statement was sent. */
  readonly sentMs: number;
  /** The server's clock when it answered. */
  readonly nowUs: number;
  /** The newest beat that the server holds. */
  readonly beat: bigint;
  readonly beatTimeUs: number;
  /** The timeline that it writes; undefined for a standby. */
  readonly timeline: bigint | undefined;
}

/** A column. A standby cannot tell the name of the WAL file that it writes: it writes none. */
export const TIMELINE = `CASE WHEN NOT pg_is_in_recovery()
  THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END AS timeline`;

const LOOK = {
  name: 'look',
  text: `SELECT n, time, clock_timestamp() AS now, current_user AS role, ${TIMELINE} FROM heartbeat`,
};

/**
 * Only the first of several processes that saw the same old beat makes the next one. A new primary's first beat jumps to
 * its timeline, so that what still follows an older primary is behind from then on.
 */
const MAKE_BEAT = {
  name: 'make_beat',
  text: `UPDATE heartbeat SET n = greatest(n + 1, $2::bigint), time = clock_timestamp() WHERE n = $1
    RETURNING n, time`,
};

const SETTINGS_DROPPED = `not as ${APP_ROLE}: something between drops its settings. A pooler needs pool_mode=transaction in the URL`;

/** What stops answering for this long is looked at anew. */
const LOOK_TIMEOUT_MS = 2_000;

/** Asks a server what it is and how far it has come. */
export async function lookAt(pool: Pool): Promise<Look> {
  const sentMs = performance.now();
  const { rows } = await pool.query({ ...LOOK, query_timeout: LOOK_TIMEOUT_MS } as typeof LOOK);
  const row = rows[0];
  if (row === undefined) throw new Error('the heartbeat row is missing: run the migrations');
  if (row.role !== APP_ROLE) throw new Error(`the session acts as ${row.role}, ${SETTINGS_DROPPED}`);
  return { sentMs, nowUs: row.now, beat: row.n, beatTimeUs: row.time, timeline: toTimeline(row.timeline) };
}

/** What TIMELINE tells; undefined for a standby. */
export const toTimeline = (digits: string | null): bigint | undefined =>
  digits === null ? undefined : BigInt(`0x${digits}`);

/** Makes the beat after `seen`, unless somebody else did; resolves to it once it is as durable as every commit. */
export async function makeBeat(
  pool: Pool,
  seen: bigint,
  timeline: bigint,
): Promise<{ beat: bigint; timeUs: number } | undefined> {
  const { rows } = await pool.query({ ...MAKE_BEAT, values: [seen, firstBeatOf(timeline)] });
  return rows[0] && { beat: rows[0].n, timeUs: rows[0].time };
}
