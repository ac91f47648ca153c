import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import {
  BatchMode,
  Consistency,
  connect,
  Effect,
  type Onhand,
  OnhandError,
  OperationType,
  type Reason,
  type WatchUpdate,
} from '@onhand/client';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { LastingService } from './lasting-service.js';
import { until } from './until.js';

/** The client's package as others use it, against a real service that is killed and comes back. */

const PATIENCE_MS = 30_000;

let database: TestDatabase;
let service: LastingService;
let onhand: Onhand;
const closing: (() => void)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  service = await LastingService.start(database.url);
  onhand = connect(service.grpcAddress);
});

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

afterAll(async () => {
  onhand?.close();
  await service?.stop();
  await database?.drop();
});

const newStore = (): string => `S-${randomUUID().slice(0, 8)}`;

/** A stock of its own. */
async function stockOf(quantity: number): Promise<{ storeId: string; productId: string }> {
  const key = { storeId: newStore(), productId: 'P' };
  await onhand.restock({ ...key, quantity });
  return key;
}

async function failureOf(call: Promise<unknown>): Promise<OnhandError> {
  const error = await call.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof OnhandError) return error;
  throw error;
}

describe('the calls', () => {
  test('sell, restock, get and batchGet give what the contract says', async () => {
    const key = await stockOf(10);
    const sold = await onhand.sell({ ...key, quantity: 3, metadata: { till: '7' } });
    expect(sold).toMatchObject({
      quantityBefore: 10,
      replayed: false,
      stock: { ...key, quantity: 7, version: 2n },
    });
    expect(sold.eventId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(await onhand.get({ ...key, minVersion: 2n })).toMatchObject({
      stock: { quantity: 7 },
      stale: false,
    });
    const unknown = { storeId: key.storeId, productId: 'none' };
    const read = await onhand.batchGet({ keys: [key, unknown], consistency: Consistency.STRONG });
    expect(read).toMatchObject({ stocks: [{ quantity: 7 }], missing: [unknown] });
  });

  test('apply makes an event id for each operation that has none', async () => {
    const storeId = newStore();
    const mine = randomUUID();
    const operations = [
      { productId: 'A', type: OperationType.RESTOCK, quantity: 5, eventId: mine },
      { productId: 'A', type: OperationType.SALE, quantity: 9 },
      { productId: 'A', type: OperationType.COUNT, quantity: 4, reason: 'shelf' },
    ];
    const { results, failureCount } = await onhand.apply({
      storeId,
      operations,
      mode: BatchMode.INDEPENDENT,
    });
    expect(failureCount).toBe(1);
    expect(results.map(({ effect }) => Effect[effect])).toEqual(['APPLIED', 'REFUSED', 'APPLIED']);
    expect(results[0]?.eventId).toBe(mine);
    expect(new Set(results.map(({ eventId }) => eventId)).size).toBe(3);
  });

  test('list and listEvents go through all pages, and from a page token on', async () => {
    const storeId = newStore();
    const products = ['A', 'B', 'C', 'D', 'E'];
    const operations = products.map((productId) => ({ productId, type: OperationType.RESTOCK, quantity: 1 }));
    await onhand.apply({ storeId, operations });
    const wanted = { storeId, pageSize: 2, consistency: Consistency.STRONG };
    const pages = [];
    for await (const page of onhand.list(wanted)) pages.push(page);
    expect(pages.map(({ stocks }) => stocks.map(({ productId }) => productId))).toEqual([
      ['A', 'B'],
      ['C', 'D'],
      ['E'],
    ]);
    const rest = onhand.list({ ...wanted, pageToken: pages[0]!.nextPageToken });
    expect((await rest.next()).value?.stocks[0]?.productId).toBe('C');
    const events = [];
    for await (const page of onhand.listEvents({ ...wanted, descending: true }))
      events.push(...page.events.map(({ productId }) => productId));
    expect(events).toEqual([...products].reverse());
  });
});

describe('errors of the service', () => {
  const CASES: readonly (readonly [
    Reason,
    (key: { storeId: string; productId: string }) => Promise<unknown>,
    object,
  ])[] = [
    ['INVALID_FIELD', (key) => onhand.sell({ ...key, quantity: 0 }), { violations: [{ field: 'quantity' }] }],
    [
      'STOCK_NOT_FOUND',
      ({ storeId }) => onhand.get({ storeId, productId: 'none' }),
      { codeName: 'NOT_FOUND' },
    ],
    [
      'INSUFFICIENT_STOCK',
      (key) => onhand.sell({ ...key, quantity: 5 }),
      { metadata: { available: 2, requested: 5, version: 1n, replayed: false } },
    ],
    ['VERSION_NOT_REACHED', (key) => onhand.get({ ...key, minVersion: 9n }), { metadata: { version: 1n } }],
    ['PAGE_TOKEN_INVALID', (key) => onhand.list({ ...key, pageToken: 'x' }).next(), { tries: 1 }],
    [
      'MESSAGE_TOO_LARGE',
      (key) =>
        onhand.apply({
          storeId: key.storeId,
          operations: Array.from({ length: 1_000 }, () => ({
            ...{ productId: 'P', type: OperationType.SALE, quantity: 1, reason: 'x'.repeat(200) },
            metadata: { more: 'x'.repeat(200) },
          })),
        }),
      { metadata: { limitBytes: 262_144 } },
    ],
    [
      'EVENT_ID_REUSED',
      async (key) => {
        const eventId = randomUUID();
        await onhand.restock({ ...key, quantity: 1, eventId });
        await onhand.restock({ ...key, quantity: 2, eventId });
      },
      { metadata: { eventId: expect.any(String) } },
    ],
    [
      'STOCK_LIMIT',
      async ({ storeId }) => {
        const operations = [{ productId: 'L', type: OperationType.COUNT, quantity: 1_000_000_000 }];
        await onhand.apply({ storeId, operations });
        await onhand.restock({ storeId, productId: 'L', quantity: 7 });
      },
      { metadata: { available: 1_000_000_000, requested: 7 } },
    ],
  ];

  test.each(CASES)('%s has its typed values', async (reason, call, facts) => {
    const error = await failureOf(call(await stockOf(2)));
    expect(error).toMatchObject({ reason, local: false, ...facts });
  });

  test('a refused command names its event id', async () => {
    const key = await stockOf(2);
    const eventId = randomUUID();
    expect(await failureOf(onhand.sell({ ...key, quantity: 3, eventId }))).toMatchObject({
      eventIds: [eventId],
    });
  });
});

describe('while the service is killed and started again', () => {
  test('each command takes effect exactly once, and none fails', async () => {
    const key = await stockOf(10_000);
    let retries = 0;
    const patient = connect(service.grpcAddress, { deadlineMs: PATIENCE_MS, onRetry: () => retries++ });
    closing.push(() => patient.close());
    const sold: string[] = [];
    let selling = true;
    const sellers = Array.from({ length: 20 }, async () => {
      while (selling) sold.push((await patient.sell({ ...key, quantity: 1 })).eventId);
    });
    for (let kill = 0; kill < 3; kill++) {
      const before = sold.length;
      await until(async () => sold.length > before + 50, 'nothing is sold', PATIENCE_MS);
      await service.kill9();
      await service.startAgain(database.url);
    }
    const last = sold.length;
    await until(async () => sold.length > last + 50, 'nothing is sold after the last kill', PATIENCE_MS);
    selling = false;
    await Promise.all(sellers);
    // Else no call was under way when it was killed, and the test says nothing.
    expect(retries).toBeGreaterThan(20);
    const { rows } = await withConnection(database.url, (client) =>
      client.query<{ event_id: string }>(
        `SELECT event_id FROM event_log WHERE store_id = $1 AND type = 'SALE' AND status = 'SUCCESS'`,
        [key.storeId],
      ),
    );
    expect(rows.map(({ event_id }) => event_id).sort()).toEqual([...sold].sort());
    expect((await onhand.get({ ...key, consistency: Consistency.STRONG })).stock.quantity).toBe(
      10_000 - sold.length,
    );
  }, 120_000);

  test('a watch gives each change once, without a gap', async () => {
    const key = await stockOf(1);
    const updates: WatchUpdate[] = [];
    const ending = new AbortController();
    const watching = (async () => {
      for await (const update of onhand.watch({ storeId: key.storeId }, { signal: ending.signal }))
        updates.push(update);
    })();
    const versions = () =>
      updates
        .flatMap((update) => (update.kind === 'changes' ? update.changes : []))
        .map(({ stock }) => stock?.version);
    await until(
      async () => updates.some(({ kind }) => kind === 'snapshot'),
      'there is no snapshot',
      PATIENCE_MS,
    );
    let version = 1n;
    const move = async () => {
      version = BigInt(await service.move(key.storeId, key.productId, 1));
    };
    const arrived = (newest: bigint) =>
      until(async () => versions().at(-1) === newest, 'a change is missing', PATIENCE_MS);
    for (let change = 0; change < 3; change++) await move();
    await arrived(version);
    await service.kill9();
    await service.startAgain(database.url);
    for (let change = 0; change < 3; change++) await move();
    await arrived(version);
    await service.stop();
    await service.startAgain(database.url);
    await move();
    await arrived(version);
    ending.abort();
    await watching;
    expect(versions()).toEqual([2n, 3n, 4n, 5n, 6n, 7n, 8n]);
    expect(updates.filter(({ kind }) => kind === 'interrupted').length).toBeGreaterThanOrEqual(2);
    expect(updates.filter(({ kind }) => kind === 'resync')).toEqual([]);
  }, 120_000);

  test('without a service a call fails at its deadline or before, as UNREACHABLE, after several tries', async () => {
    await service.stop();
    try {
      const startedMs = performance.now();
      const error = await failureOf(onhand.get({ storeId: 'S', productId: 'P' }, { deadlineMs: 1_000 }));
      const tookMs = performance.now() - startedMs;
      expect(error).toMatchObject({ reason: 'UNREACHABLE', codeName: 'UNAVAILABLE', metadata: {} });
      expect(error.tries).toBeGreaterThan(2);
      expect(tookMs).toBeLessThan(1_500);
    } finally {
      await service.startAgain(database.url);
    }
  });
});

describe('a call that is given up', () => {
  test('throws the reason of its signal', async () => {
    const ending = new AbortController();
    const reason = new Error('no longer wanted');
    const call = onhand.get({ storeId: 'S', productId: 'P' }, { signal: ending.signal });
    ending.abort(reason);
    await expect(call).rejects.toBe(reason);
    await expect(onhand.get({ storeId: 'S', productId: 'P' }, { signal: ending.signal })).rejects.toBe(
      reason,
    );
  });

  test('does not come back while it pauses', async () => {
    const nowhere = connect('127.0.0.1:1', { backoff: { firstDelayMs: 60_000 }, deadlineMs: 200_000 });
    closing.push(() => nowhere.close());
    const ending = new AbortController();
    const call = nowhere.get({ storeId: 'S', productId: 'P' }, { signal: ending.signal });
    await pause(200);
    ending.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
  });

  test.each([0, -1, Number.NaN])('a deadline of %s ms is refused', async (deadlineMs) => {
    await expect(onhand.get({ storeId: 'S', productId: 'P' }, { deadlineMs })).rejects.toThrow(RangeError);
  });
});
