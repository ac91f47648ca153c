import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import { LEDGER_SESSION_SETTINGS } from '../ledger/ledger.js';
import { type EventFilter, listEvents } from './event-statements.js';
import { FEED_SESSION_SETTINGS, POLL } from './feed-statements.js';
import { FIND_EVENTS } from './ledger-statements.js';
import { createPool, type Pool } from './pool.js';

/** Which indexes PostgreSQL takes, on an empty event log and on a large one: see docs/adr/0002. */

let database: TestDatabase;
let ledgerPool: Pool;
let readPool: Pool;
let feedPool: Pool;

const poolWith = (settings: Readonly<Record<string, string>>) => {
  const limits = { max: 1, min: 0, idleMs: 10_000, lifetimeMs: 60_000 };
  return createPool({ url: database.url, name: 'plans', limits, settings, onError: () => undefined });
};

beforeAll(async () => {
  database = await createTestDatabase();
  ledgerPool = poolWith(LEDGER_SESSION_SETTINGS);
  readPool = poolWith({});
  feedPool = poolWith(FEED_SESSION_SETTINGS);
});

afterAll(async () => {
  await Promise.all([ledgerPool.end(), readPool.end(), feedPool.end()]);
  await database.drop();
});

const indexesIn = (plan: { rows: Record<string, string>[] }): Set<string> => {
  const text = plan.rows.map((row) => row['QUERY PLAN']).join('\n');
  return new Set(
    [...text.matchAll(/using (event_log\w+)|Index Scan on (event_log\w+)|(Seq Scan on event_log)/g)].map(
      ([, using, bitmap, scan]) => using ?? bitmap ?? scan ?? '',
    ),
  );
};

const plannedForLedger = async () =>
  indexesIn(await ledgerPool.query(`EXPLAIN (GENERIC_PLAN) ${FIND_EVENTS.text}`));

const plannedForFeed = async () => indexesIn(await feedPool.query(`EXPLAIN (GENERIC_PLAN) ${POLL.text}`));

/** The plan that `listEvents` gets for this filter: the pool that it is given asks for it in place of the rows. */
const plannedForHistory = async (changes: Partial<EventFilter>, size = 50) => {
  const filter: EventFilter = {
    ...{ storeId: 'STORE_007', productId: undefined, eventId: undefined, type: undefined, status: undefined },
    ...{ origin: undefined, actor: undefined, startTimeUs: 0, endTimeUs: Number.MAX_SAFE_INTEGER },
    ...{ descending: false, ...changes },
  };
  let plan: pg.QueryResult | undefined;
  const explain = async ({ text, values }: pg.QueryConfig) => {
    plan = await readPool.query(`EXPLAIN ${text}`, values);
    return { rows: [{ store_id: null }] };
  };
  const pool = { query: explain } as unknown as Pool;
  await listEvents({ pool, timeoutMs: 5_000 }, filter, undefined, size);
  return indexesIn(plan as pg.QueryResult);
};

const EVENT_ID = '0190163d-8694-739b-aea5-966c26f8ad91';

test('while the log is empty, event ids are looked up in their unique index', async () => {
  expect(await plannedForLedger()).toEqual(new Set(['event_log_event_id_key']));
});

test('while the log is empty, the feed goes along the index of transactions', async () => {
  expect(await plannedForFeed()).toEqual(new Set(['event_log_by_xid']));
});

describe.each(['before it is analyzed', 'once it is analyzed'])('in a log of 100,000 events, %s', (when) => {
  beforeAll(async () => {
    const client = new pg.Client(database.url);
    await client.connect();
    if (when === 'once it is analyzed') await client.query('ANALYZE event_log');
    else {
      await client.query(`ALTER TABLE event_log SET (autovacuum_enabled = off);
        INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, requested_delta, applied_delta,
          net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint)
        SELECT format('STORE_%s', lpad((n % 10)::text, 3, '0')), gen_random_uuid(), format('P%s', n / 10 % 500), 'RESTOCK',
          'SUCCESS', 'APPLIED', 1, 1, 0, 1, 1, t, t, t, 'test', 'SYSTEM', ''
        FROM generate_series(1, 100000) AS n,
          LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 second') AS at (t)`);
    }
    await client.end();
  });

  test('event ids are looked up in their unique index', async () => {
    expect(await plannedForLedger()).toEqual(new Set(['event_log_event_id_key']));
  });

  test('the feed goes along the index of transactions', async () => {
    expect(await plannedForFeed()).toEqual(new Set(['event_log_by_xid']));
  });

  test.each([false, true])(
    'history is read along the index of its store or stock (descending: %p)',
    async (descending) => {
      const ofStore = new Set(['event_log_by_store']);
      expect(await plannedForHistory({ descending })).toEqual(ofStore);
      expect(await plannedForHistory({ descending, type: 'SALE', actor: 'nobody' })).toEqual(ofStore);
      expect(await plannedForHistory({ descending, startTimeUs: 1e15, endTimeUs: 2e15 })).toEqual(ofStore);
      expect(await plannedForHistory({ descending, productId: 'P7' })).toEqual(
        new Set(['event_log_by_stock']),
      );
      expect(await plannedForHistory({ descending, eventId: EVENT_ID })).toEqual(
        new Set(['event_log_event_id_key']),
      );
    },
  );
});
