import { setTimeout as delay } from 'node:timers/promises';
import { FEED_SESSION_SETTINGS, POLL, startFeed } from '../src/postgres/feed-statements.js';
import { createPool } from '../src/postgres/pool.js';

/** How the server carries a poll out. */
export interface PlannedPoll {
  /** How it reads the event log, each way once. */
  readonly scans: readonly string[];
  /** What EXPLAIN (ANALYZE, BUFFERS) says. */
  readonly lines: readonly string[];
}

/** How a plan reads the event log: `Index Scan using event_log_by_xid`, or `Seq Scan`. */
export function scansOf(lines: readonly string[]): string[] {
  const scans = lines.flatMap((line) => {
    const [, kind, , index] =
      /(\w+(?: \w+)* Scan)(?: Backward)?( using (\w+))? on (?:event_log\b|event_log_\w+)/.exec(line) ?? [];
    if (kind === undefined) return [];
    return [index === undefined ? kind : `${kind} using ${index}`];
  });
  return [...new Set(scans)];
}

/** The plan that a session of the feed takes for a poll 100 ms after the one before. */
export async function planPoll(databaseUrl: string): Promise<PlannedPoll> {
  const pool = createPool({
    ...{ url: databaseUrl, name: 'plan', settings: FEED_SESSION_SETTINGS, onError: () => undefined },
    limits: { max: 1, min: 0, idleMs: 10_000, lifetimeMs: 60_000 },
  });
  try {
    // As a prepared statement, as the feed has it: the plan must not know the values.
    await pool.query(`PREPARE poll (xid8, xid8[], bigint) AS ${POLL.text}`);
    // Writers that were started with it need a moment to get going.
    await delay(300);
    const { header } = await startFeed(pool);
    await delay(100);
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, BUFFERS) EXECUTE poll ('${header.highest}', '{${header.running.join(',')}}', 100001)`,
    );
    const lines = rows.map((row) => row['QUERY PLAN']);
    return { scans: scansOf(lines), lines };
  } finally {
    await pool.end();
  }
}
