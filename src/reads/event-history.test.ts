import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import type { Command, RecordedEvent } from '../domain/types.js';
import { EVENTS_LOOKED_AT } from '../postgres/event-statements.js';
import type { EventCursor, EventFilter } from './database-reads.js';
import { byDefault, StartedReads, strongly } from './started-reads.js';

let started: StartedReads;

beforeAll(async () => {
  started = await StartedReads.start();
});

afterAll(() => started.stop());

const wholeHistoryOf = (storeId: string, changes: Partial<EventFilter> = {}): EventFilter => ({
  storeId,
  productId: undefined,
  eventId: undefined,
  type: undefined,
  status: undefined,
  origin: undefined,
  actor: undefined,
  startTimeUs: 0,
  endTimeUs: Number.MAX_SAFE_INTEGER,
  descending: false,
  ...changes,
});

/** All pages of this size, one after the other. */
async function pagesOf(filter: EventFilter, size: number, options = strongly): Promise<RecordedEvent[][]> {
  const pages: RecordedEvent[][] = [];
  let after: EventCursor | undefined;
  do {
    const page = await started.reads.database.listEvents(filter, { after, size }, options());
    expect(page.events.length).toBeLessThanOrEqual(size);
    pages.push(page.events);
    after = page.next;
  } while (after !== undefined);
  return pages;
}

/** The first page from the primary, the others from wherever. */
const stronglyThenByDefault = () => {
  let pages = 0;
  return () => (pages++ === 0 ? strongly() : byDefault());
};

const eventsOf = async (filter: EventFilter, size = 500) => (await pagesOf(filter, size)).flat();
const idsOf = async (filter: EventFilter, size = 500) =>
  (await eventsOf(filter, size)).map((event) => event.eventId);

/** Commands that arrive together, with random event ids, in one batch or a few. */
const submitAll = (commands: Parameters<StartedReads['submit']>[0][]) =>
  Promise.all(commands.map((command) => started.submit({ eventId: randomUUID(), ...command })));

describe('pages', () => {
  const storeId = 'STORE_PAGES';
  const whole = wholeHistoryOf(storeId);

  beforeAll(async () => {
    for (let round = 0; round < 3; round++) {
      await submitAll(
        Array.from({ length: 21 }, (_, index) => ({
          storeId,
          productId: `P${index % 3}`,
          quantity: index + 1,
        })),
      );
    }
    await submitAll([{ storeId: 'STORE_PAGES_2', productId: 'P0' }]);
  });

  test.each([1, 2, 7, 62, 63, 64, 500])('of %i, in both directions, are the whole', async (size) => {
    const oldestFirst = await idsOf(whole, size);
    expect(oldestFirst).toHaveLength(63);
    expect(new Set(oldestFirst).size).toBe(63);
    expect(await idsOf({ ...whole, descending: true }, size)).toEqual(oldestFirst.toReversed());
    expect(oldestFirst).toEqual(await idsOf(whole, 500));
  });

  test('are full, but for the last one', async () => {
    expect((await pagesOf(whole, 10)).map((page) => page.length)).toEqual([10, 10, 10, 10, 10, 10, 3]);
  });

  test('give the events of a stock in the order in which they were decided, those of one batch too', async () => {
    const events = await eventsOf(whole);
    const times = events.map((event) => event.recordedTimeUs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(times).size).toBeLessThan(63); // some were decided together
    for (const productId of ['P0', 'P1', 'P2']) {
      const versions = events.filter((event) => event.productId === productId).map((event) => event.version);
      expect(versions).toEqual(Array.from({ length: 21 }, (_, index) => BigInt(index + 1)));
      const ofStock = await eventsOf({ ...whole, productId, descending: true }, 4);
      expect(ofStock.map((event) => event.version)).toEqual(versions.toReversed());
    }
  });

  test.each([false, true])(
    'leave nothing out and give nothing twice while events are added (descending: %p)',
    async (descending) => {
      const busyStore = `STORE_BUSY_${descending}`;
      const submitSome = () =>
        submitAll(
          Array.from({ length: 20 }, (_, index) => ({ storeId: busyStore, productId: `P${index % 5}` })),
        );
      for (let round = 0; round < 10; round++) await submitSome();
      const before = await idsOf(wholeHistoryOf(busyStore));
      let stop = false;
      const writing = (async () => {
        // Bounded: oldest first, the pages end only when they have caught up.
        for (let round = 0; round < 30 && !stop; round++) await submitSome();
      })();
      const filter = wholeHistoryOf(busyStore, { descending });
      const paged = (await pagesOf(filter, 7, stronglyThenByDefault())).flat();
      stop = true;
      await writing;
      const ids = paged.map((event) => event.eventId);
      expect(new Set(ids).size).toBe(ids.length);
      expect(before).toHaveLength(200);
      const known = new Set(before);
      const inOrder = ids.filter((id) => known.has(id));
      expect(inOrder).toEqual(descending ? before.toReversed() : before);
      expect((await idsOf(wholeHistoryOf(busyStore))).length).toBeGreaterThan(before.length);
    },
  );

  test('of an unknown store or stock there is one, and it is empty', async () => {
    expect(await pagesOf(wholeHistoryOf('NOBODY'), 10)).toEqual([[]]);
    expect(await pagesOf({ ...whole, productId: 'NOTHING' }, 10)).toEqual([[]]);
    await started.submit({ storeId: 'NOBODY', productId: 'P', type: 'SALE' }); // STOCK_NOT_FOUND
    expect(await pagesOf(wholeHistoryOf('NOBODY'), 10)).toEqual([[]]);
  });
});

describe('filters', () => {
  const storeId = 'STORE_FILTERS';
  const whole = wholeHistoryOf(storeId);
  let events: RecordedEvent[];

  beforeAll(async () => {
    const commands: Partial<Command>[] = [
      { quantity: 10 },
      { type: 'SALE', quantity: 3, origin: 'GRPC', actor: 'till 4', metadata: { till: '4' } },
      { type: 'SALE', quantity: 99, origin: 'REST', actor: 'till 5' },
      { type: 'RETURN', origin: 'CONNECT', occurredTimeUs: 1_700_000_000_123_456 },
      { type: 'WASTE', quantity: 2 },
      { productId: 'OTHER' },
    ];
    for (const command of commands) await started.submit({ storeId, productId: 'P', ...command });
    events = await eventsOf(whole);
  });

  test('none gives all, each as it was decided, refused ones with their reason', () => {
    expect(events).toHaveLength(6);
    expect(events[1]).toMatchObject({
      ...{ storeId, productId: 'P', type: 'SALE', status: 'SUCCESS', effect: 'APPLIED', reason: undefined },
      ...{ requestedDelta: -3, appliedDelta: -3, netBefore: 10, netAfter: 7, version: 2n },
      ...{ actor: 'till 4', origin: 'GRPC', metadata: { till: '4' }, operationReason: undefined },
      ...{ syncEpoch: 0n, syncSequence: 0n },
    });
    expect(events[2]).toMatchObject({
      ...{ type: 'SALE', status: 'FAILED', effect: 'REFUSED', reason: 'INSUFFICIENT_STOCK' },
      ...{ requestedDelta: -99, appliedDelta: 0, netBefore: 7, netAfter: 7, version: 2n },
    });
    expect(events[3]).toMatchObject({ occurredTimeUs: 1_700_000_000_123_456 });
    expect(events[3]!.effectiveTimeUs).toBe(events[3]!.recordedTimeUs);
  });

  test.each<[Partial<EventFilter>, number[]]>([
    [{ productId: 'P' }, [0, 1, 2, 3, 4]],
    [{ productId: 'OTHER' }, [5]],
    [{ type: 'SALE' }, [1, 2]],
    [{ type: 'RESTOCK' }, [0, 5]],
    [{ type: 'COUNT' }, []],
    [{ status: 'FAILED' }, [2]],
    [{ status: 'SUCCESS' }, [0, 1, 3, 4, 5]],
    [{ origin: 'REST' }, [2]],
    [{ origin: 'SYSTEM' }, [0, 4, 5]],
    [{ actor: 'till 4' }, [1]],
    [{ actor: 'till' }, []],
    [{ type: 'SALE', status: 'SUCCESS', actor: 'till 5' }, []],
    [{ productId: 'P', type: 'RESTOCK', origin: 'SYSTEM', status: 'SUCCESS' }, [0]],
  ])('%j, in pages and in both directions', async (changes, expected) => {
    const wanted = expected.map((index) => events[index]!.eventId);
    for (const size of [1, 2, 500]) {
      expect(await idsOf({ ...whole, ...changes }, size)).toEqual(wanted);
      expect(await idsOf({ ...whole, ...changes, descending: true }, size)).toEqual(wanted.toReversed());
    }
  });

  test('by event id gives the one event, if it meets the others', async () => {
    const { eventId } = events[2]!;
    expect(await idsOf({ ...whole, eventId })).toEqual([eventId]);
    expect(await idsOf({ ...whole, eventId, status: 'SUCCESS' })).toEqual([]);
    expect(await idsOf({ ...whole, eventId, productId: 'OTHER' })).toEqual([]);
    expect(await idsOf({ ...whole, eventId: randomUUID() })).toEqual([]);
    expect(await idsOf({ ...wholeHistoryOf('NOBODY'), eventId })).toEqual([]);
  });

  test('by time takes its start in and leaves its end out', async () => {
    const ids = events.map((event) => event.eventId);
    const [startTimeUs, endTimeUs] = [events[1]!.recordedTimeUs, events[4]!.recordedTimeUs];
    for (const descending of [false, true]) {
      const inOrder = (expected: string[]) => (descending ? expected.toReversed() : expected);
      for (const size of [1, 500]) {
        const between = { ...whole, startTimeUs, endTimeUs, descending };
        expect(await idsOf(between, size)).toEqual(inOrder(ids.slice(1, 4)));
        expect(await idsOf({ ...between, endTimeUs: endTimeUs + 1 }, size)).toEqual(inOrder(ids.slice(1, 5)));
        expect(await idsOf({ ...between, startTimeUs: startTimeUs + 1 }, size)).toEqual(
          inOrder(ids.slice(2, 4)),
        );
      }
      expect(await idsOf({ ...whole, startTimeUs, descending })).toEqual(inOrder(ids.slice(1)));
      expect(await idsOf({ ...whole, endTimeUs, descending })).toEqual(inOrder(ids.slice(0, 4)));
    }
  });
});

describe('a filter that hardly any event meets', () => {
  const storeId = 'STORE_RARE';

  beforeAll(async () => {
    await withConnection(started.database.url, (client) =>
      client.query(
        `INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, requested_delta, applied_delta,
           net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint)
         SELECT $1, gen_random_uuid(), 'P', 'RESTOCK', 'SUCCESS', 'APPLIED', 1, 1, n - 1, n, n, t, t, t,
           CASE WHEN n % $2::int IN (0, 1) THEN 'rare' ELSE 'usual' END, 'SYSTEM', ''
         FROM generate_series(1, 2 * $2::int + 5) AS n,
           LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 second') AS at (t)`,
        [storeId, EVENTS_LOOKED_AT],
      ),
    );
  });

  test('has short pages, even empty ones, and ends all the same', async () => {
    const rare = wholeHistoryOf(storeId, { actor: 'rare' });
    const pages = await pagesOf(rare, 500);
    const versions = pages.map((page) => page.map((event) => Number(event.version)));
    const looked = EVENTS_LOOKED_AT;
    expect(versions).toEqual([[1, looked], [looked + 1, 2 * looked], [2 * looked + 1]]);
    expect(
      (await pagesOf(wholeHistoryOf(storeId, { actor: 'nobody' }), 500)).map((page) => page.length),
    ).toEqual([0, 0, 0]);
    for (const size of [1, 2, 3]) {
      const newestFirst = await eventsOf({ ...rare, descending: true }, size);
      expect(newestFirst.map((event) => Number(event.version))).toEqual(versions.flat().toReversed());
    }
  });
});
