import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../dev/ports.js';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { StockChange } from '../domain/types.js';
import { startFeed } from '../postgres/feed-statements.js';
import { createPool, type Pool } from '../postgres/pool.js';
import { CatchUp } from './catch-up.js';
import { type Cursor, startingAt } from './cursor.js';

let database: TestDatabase;
let pool: Pool;

const poolOf = (url: string): Pool =>
  createPool({
    ...{ url, name: 'test', settings: {}, pipeline: true, onError: () => undefined },
    limits: { max: 2, min: 0, idleMs: 10_000, lifetimeMs: 600_000 },
  });

beforeAll(async () => {
  database = await createTestDatabase();
  pool = poolOf(database.url);
  await write({ productId: 'P0', events: 1 });
});

afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

/** Writes the next versions of a stock, in one transaction. */
async function write({ productId, events }: { productId: string; events: number }): Promise<void> {
  const insert = `
    INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, requested_delta, applied_delta,
      net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint)
    SELECT 'S', gen_random_uuid(), $1, 'RESTOCK', 'SUCCESS', 'APPLIED', 1, 1, n - 1, n, n, now(), now(), now(), 'a', 'SYSTEM', ''
    FROM generate_series(1, $2::integer) n`;
  await withConnection(database.url, (client) => client.query(insert, [productId, events]));
}

async function now(): Promise<Cursor> {
  const cursor = startingAt(await startFeed(pool));
  if (cursor === undefined) throw new Error('the database is a standby');
  return cursor;
}

const catchUp = new CatchUp(() => pool);
const all = { storeId: 'S', productIds: [] };

async function read(from: Cursor, to: Cursor, source = catchUp): Promise<StockChange[][]> {
  const pages: StockChange[][] = [];
  for await (const page of source.read(all, from, to)) pages.push([...page]);
  return pages;
}

test('much is read some at a time, each change once, in the order of versions', async () => {
  const from = await now();
  await write({ productId: 'P1', events: 2_500 });
  await write({ productId: 'P2', events: 1_500 });
  const to = await now();
  await write({ productId: 'P3', events: 1 });
  expect(await catchUp.check(from, to)).toBe(false);
  const pages = await read(from, to);
  // The second page is full as well: only a third one can tell that there is no more.
  expect(pages.map((page) => page.length)).toEqual([2_000, 2_000, 0]);
  const versionsOf = (product: string) =>
    pages.flat().flatMap(({ productId, version }) => (productId === product ? [Number(version)] : []));
  expect(versionsOf('P1')).toEqual(Array.from({ length: 2_500 }, (_, n) => n + 1));
  expect(versionsOf('P2')).toEqual(Array.from({ length: 1_500 }, (_, n) => n + 1));
});

test('little can be read while one watches', async () => {
  const from = await now();
  expect(await catchUp.check(from, from)).toBe(true);
  await write({ productId: 'P4', events: 3 });
  const to = await now();
  expect(await catchUp.check(from, to)).toBe(true);
  expect((await read(from, to)).map((page) => page.length)).toEqual([3]);
});

test('of too much the reader is told to begin anew', async () => {
  const from = await now();
  await write({ productId: 'P5', events: 100_000 });
  expect(await catchUp.check(from, await now())).toBe(false);
  await write({ productId: 'P6', events: 1 });
  await expect(catchUp.check(from, await now())).rejects.toMatchObject({
    reason: 'RESYNC',
    message: expect.stringContaining('Too much has changed since the cursor'),
  });
});

test('a cursor after a change that is not there, or of another database, is told to begin anew', async () => {
  const to = await now();
  for (const from of [
    { ...to, last: 3n },
    { ...to, database: 'other' },
  ])
    await expect(catchUp.check(from, to)).rejects.toMatchObject({ reason: 'RESYNC' });
});

test('another primary than the feed follows, an unreachable one and none are all to be tried again', async () => {
  const cursor = await now();
  const promoted = { ...cursor, timeline: cursor.timeline + 1n };
  const away = poolOf(`postgres://onhand:x@127.0.0.1:${await freePort()}/onhand`);
  const cases: [CatchUp, Cursor][] = [
    [catchUp, promoted],
    [new CatchUp(() => away), cursor],
    [new CatchUp(() => undefined), cursor],
  ];
  const again = { reason: 'DATABASE_UNAVAILABLE', retryDelayMs: 200 };
  for (const [source, place] of cases) {
    await expect(source.check(place, place)).rejects.toMatchObject(again);
    await expect(read(place, place, source)).rejects.toMatchObject(again);
  }
  await away.end();
});

test('a defect is no outage', async () => {
  const cursor = await now();
  const wrong = { ...cursor, last: 'no number' as unknown as bigint };
  await expect(read(wrong, cursor)).rejects.toMatchObject({ code: '22P02' });
});
