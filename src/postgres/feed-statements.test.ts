import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import { after, startingAt } from '../feed/cursor.js';
import { FEED_SESSION_SETTINGS, POLL, pollFeed, type Seen, startFeed } from './feed-statements.js';
import { createPool, type Pool } from './pool.js';

const REFUSALS = 2_000;
const LIMIT = 1_000;

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  const limits = { max: 1, min: 0, idleMs: 10_000, lifetimeMs: 60_000 };
  const settings = FEED_SESSION_SETTINGS;
  pool = createPool({ url: database.url, name: 'feed', limits, settings, onError: () => undefined });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** So many sales that were refused. */
const refuse = (count: number) =>
  withConnection(database.url, (client) =>
    client.query(
      `INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, reason, requested_delta,
        applied_delta, net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin,
        fingerprint)
      SELECT 'S', gen_random_uuid(), 'P', 'SALE', 'FAILED', 'REFUSED', 'INSUFFICIENT_STOCK', -1, 0, 0, 0, 1,
        now(), now(), now(), 'test', 'SYSTEM', '' FROM generate_series(1, $1)`,
      [count],
    ),
  );

/** How many events a poll from there looks at in vain. */
async function lookedAtInVain({ last, running }: Seen): Promise<number> {
  await pool.query(`PREPARE poll (xid8, xid8[], bigint) AS ${POLL.text}`);
  const { rows } = await pool.query(
    `EXPLAIN (ANALYZE) EXECUTE poll ('${last}', '{${running.join(',')}}', ${LIMIT})`,
  );
  await pool.query('DEALLOCATE poll');
  const text = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(text).toContain('event_log_by_xid');
  return [...text.matchAll(/Rows Removed by Filter: (\d+)/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

test('refusals are looked at by one poll, and by no later one', async () => {
  const start = startingAt(await startFeed(pool))!;
  await refuse(REFUSALS);
  expect(await lookedAtInVain(start)).toBe(REFUSALS);
  const read = await pollFeed(pool, start, LIMIT);
  expect(read.changes).toEqual([]);
  const next = after(start, read.header);
  expect(next.last).toBeGreaterThan(start.last);
  expect(await lookedAtInVain(next)).toBe(0);
  expect((await pollFeed(pool, next, LIMIT)).header.lastIsThere).toBe(true);
});
