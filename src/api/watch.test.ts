import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Effect, OperationType, Origin } from '../gen/grpc/inventory/v1/inventory.js';
import type { StockChange } from '../gen/grpc/inventory/v1/inventory_service.js';
import { Callers } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';
import { WATCH_TRANSPORTS, type Watched, Watching, type WatchTransport } from './watching.js';

let started: StartedApi;
let callers: Callers;
const open: Watching[] = [];

beforeAll(async () => {
  started = await startTestApi({ watchLimit: 6 });
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterEach(async () => {
  for (const watching of open.splice(0)) await watching.stop();
});

afterAll(async () => {
  callers?.grpc.close();
  await started?.stop();
});

const watch = (watched: Watched, transport: WatchTransport = 'gRPC', timeoutMs?: number): Watching => {
  const watching = new Watching({ callers, httpUrl: started.httpUrl }, transport, watched, timeoutMs);
  open.push(watching);
  return watching;
};

const newStore = () => `S-${randomUUID()}`;
const restock = (storeId: string, productId: string, quantity = 10) =>
  callers.overGrpc('Restock', { storeId, productId, quantity, eventId: '', metadata: {} });
const sell = (storeId: string, productId: string, quantity: number, eventId = '') =>
  callers.overGrpc('Sell', { storeId, productId, quantity, eventId, metadata: {} });
const inShort = ({ stock }: StockChange) => `${stock?.productId} ${stock?.quantity} v${stock?.version}`;

describe.each(WATCH_TRANSPORTS)('over %s', (transport) => {
  test('the stocks as they are, then each change with what its event did, then on from a cursor', async () => {
    const storeId = newStore();
    await restock(storeId, 'P1');
    await restock(storeId, 'P2', 5);
    const first = await watch({ storeId }, transport).until(({ complete }) => complete);
    expect(first.stocks).toMatchObject([
      { storeId, productId: 'P1', quantity: 10, version: 1n, createTime: {} },
      { storeId, productId: 'P2', quantity: 5, version: 1n },
    ]);
    const eventId = randomUUID();
    await sell(storeId, 'P1', 3, eventId);
    await sell(storeId, 'P1', 99);
    await first.until(({ changes }) => changes.length === 1);
    const [change] = first.changes;
    expect(change).toMatchObject({
      stock: { storeId, productId: 'P1', quantity: 7, oversold: 0, version: 2n, updateTime: {} },
      ...{ eventId, type: OperationType.SALE, effect: Effect.APPLIED, requestedDelta: -3, appliedDelta: -3 },
      ...{ actor: 'anonymous', origin: Origin.GRPC, occurredTime: {}, recordedTime: {}, skippedVersions: 0n },
    });
    expect(change?.stock?.createTime).toBeUndefined();
    await first.stop();

    await sell(storeId, 'P2', 1);
    await restock(storeId, 'P3', 8);
    const second = watch({ storeId, cursor: first.cursor }, transport);
    await second.until(({ changes }) => changes.length === 2);
    await sell(storeId, 'P3', 1);
    await second.until(({ changes }) => changes.length === 3);
    expect(second.changes.map(inShort)).toEqual(['P2 4 v2', 'P3 8 v1', 'P3 7 v2']);
    expect(second.stocks).toEqual([]);
  });

  test('bad input and cursors that are none are named', async () => {
    const storeId = newStore();
    const refusals: [Watched, Record<string, string>][] = [
      [{}, { storeId: 'Store ID or product IDs are required' }],
      [{ storeId: ' ' }, { storeId: 'Store ID is required' }],
      [{ productIds: ['P1', ''] }, { 'productIds[1]': 'Product ID is required' }],
      [
        { productIds: Array.from({ length: 1_001 }, (_, n) => `P${n}`) },
        { productIds: 'Product IDs must not exceed 1,000' },
      ],
      [{ storeId, cursor: 'x' }, { cursor: 'Cursor must be one that this service gave' }],
    ];
    for (const [watched, problems] of refusals) {
      const ended = await watch(watched, transport).end();
      expect(ended.reason).toBe('INVALID_FIELD');
      expect(ended.fieldViolations).toMatchObject(
        Object.entries(problems).map(([field, description]) => ({ field, description })),
      );
    }
  });

  test('a deadline ends it', async () => {
    const watching = await watch({ storeId: newStore() }, transport, 600).end();
    expect(watching.complete).toBe(true);
    expect(watching.reason).toMatch(/DEADLINE_EXCEEDED|code 4/);
  });
});

describe('what is watched', () => {
  test('a product in all stores, several products of a store, and nothing else; stocks yet to come, too', async () => {
    const [one, other] = [newStore(), newStore()];
    const [productId, second] = [`P-${randomUUID()}`, `Q-${randomUUID()}`];
    await restock(one, productId);
    await restock(other, second);
    const ofProducts = watch({ productIds: [second, productId, productId] });
    const ofBoth = watch({ storeId: one, productIds: [second, productId] });
    const ofNone = watch({ storeId: newStore() });
    for (const each of [ofProducts, ofBoth, ofNone]) await each.until(({ complete }) => complete);
    expect(ofProducts.stocks).toMatchObject([
      { storeId: one, productId },
      { storeId: other, productId: second },
    ]);
    expect(ofBoth.stocks).toMatchObject([{ storeId: one, productId }]);
    await sell(one, productId, 1);
    await restock(one, second);
    await restock(one, 'another');
    await restock(other, productId);
    await ofProducts.until(({ changes }) => changes.length === 3);
    await ofBoth.until(({ changes }) => changes.length === 2);
    expect(ofBoth.changes.map(inShort)).toEqual([`${productId} 9 v2`, `${second} 10 v1`]);
    expect(ofNone.changes).toEqual([]);
    expect(ofNone.stocks).toEqual([]);
  });

  test('a snapshot of many pages, and what changes while it is read: each version once, in order', async () => {
    const storeId = newStore();
    const operations = Array.from({ length: 1_000 }, (_, n) => ({
      ...{
        eventId: '',
        productId: `P${n}`,
        type: OperationType.RESTOCK,
        quantity: 10,
        reason: '',
        metadata: {},
      },
    }));
    const extra = operations.slice(0, 300).map((each) => ({ ...each, productId: `Q${each.productId}` }));
    for (const batch of [operations, extra])
      await callers.overGrpc('Apply', { storeId, operations: batch, mode: 0 });
    const watching = await watch({ storeId }).until(({ messages }) => messages.length > 0);
    await Promise.all(
      operations.filter((_, n) => n % 3 === 0).map(({ productId }) => sell(storeId, productId, 1)),
    );
    await watching.until(({ complete }) => complete);
    await sell(storeId, 'QP299', 10);
    await watching.until(({ changes }) => changes.some(({ stock }) => stock?.productId === 'QP299'));
    const versions = new Map(watching.stocks.map((stock) => [stock.productId, stock.version]));
    expect(versions.size).toBe(1_300);
    for (const { stock, skippedVersions } of watching.changes) {
      expect(stock?.version).toBe((versions.get(stock?.productId ?? '') ?? 0n) + 1n);
      expect(skippedVersions).toBe(0n);
      versions.set(stock!.productId, stock!.version);
    }
    const sold = [...versions].filter(([, version]) => version === 2n).map(([productId]) => productId);
    expect(sold).toHaveLength(335);
  });
});

describe('cursors', () => {
  const cursorOf = async (watched: Watched) => {
    const watching = await watch(watched).until(({ complete }) => complete);
    await watching.stop();
    return watching.cursor;
  };
  const forge = (cursor: string, change: (place: unknown[]) => void) => {
    const place = JSON.parse(Buffer.from(cursor.slice(22), 'base64url').toString());
    change(place);
    return cursor.slice(0, 22) + Buffer.from(JSON.stringify(place)).toString('base64url');
  };

  test('of another filter are refused', async () => {
    const storeId = newStore();
    const cursor = await cursorOf({ storeId });
    for (const watched of [
      { storeId: newStore(), cursor },
      { storeId, productIds: ['P1'], cursor },
    ]) {
      const ended = await watch(watched).end();
      expect(ended.fieldViolations).toEqual([
        {
          field: 'cursor',
          description: 'Cursor belongs to another store or other products; watch without a cursor',
        },
      ]);
    }
  });

  test.each<[string, (place: unknown[]) => void]>([
    ['of another database', (place) => place.splice(1, 1, 'another-1')],
    ['from the future', (place) => place.splice(4, 1, '18446744073709551615')],
    ['of a timeline to come', (place) => place.splice(2, 1, 'ff')],
    ['of an earlier timeline without a synchronous standby', (place) => place.splice(2, 1, '0')],
    ['after a transaction that is not there', (place) => place.splice(4, 1, '3')],
  ])('%s are told to begin anew', async (_name, change) => {
    const storeId = newStore();
    await restock(storeId, 'P1');
    const cursor = await cursorOf({ storeId });
    const ended = await watch({ storeId, cursor: forge(cursor, change) }).end();
    expect(ended.reason).toBe('RESYNC');
  });

  test.each<[string, (cursor: string) => string]>([
    ['cut off', (cursor) => cursor.slice(0, -3)],
    ['of no version', (cursor) => forge(cursor, (place) => place.splice(0, 1, 2))],
    ['with a number that is none', (cursor) => forge(cursor, (place) => place.splice(4, 1, '1; DROP'))],
    ['with too much in it', (cursor) => forge(cursor, (place) => place.splice(5, 1, Array(5_000).fill(1)))],
    ['with what ran later', (cursor) => forge(cursor, (place) => place.splice(5, 1, [-1]))],
    ['that is another text', () => 'not a cursor, äöü'],
  ])('%s are none', async (_name, change) => {
    const storeId = newStore();
    await restock(storeId, 'P1');
    const ended = await watch({ storeId, cursor: change(await cursorOf({ storeId })) }).end();
    expect(ended.reason).toBe('INVALID_FIELD');
  });
});

test('too many streams are refused, and leaving makes room', async () => {
  const storeId = newStore();
  const streams = Array.from({ length: 6 }, () => watch({ storeId }));
  for (const each of streams) await each.until(({ complete }) => complete);
  expect((await watch({ storeId }).end()).reason).toBe('QUEUE_FULL');
  await streams[0]?.stop();
  await restock(storeId, 'P1');
  let again = watch({ storeId });
  await again.until(({ complete, reason }) => complete || reason !== undefined);
  while (again.reason === 'QUEUE_FULL') {
    again = watch({ storeId });
    await again.until(({ complete, reason }) => complete || reason !== undefined);
  }
  expect(again.stocks).toMatchObject([{ productId: 'P1' }]);
});

test('a quiet stream gives a sign of life with a cursor and a watermark that moves', async () => {
  const watching = await watch({ storeId: newStore() }).until(({ messages }) => messages.length === 2);
  const [first, second] = watching.messages;
  expect(second).toMatchObject({ stocks: [], changes: [], snapshotComplete: false });
  expect(second?.cursor).not.toBe('');
  expect(second!.watermark!.seconds).toBeGreaterThan(first!.watermark!.seconds);
});

test('a process that stops ends its streams with a last cursor', async () => {
  const storeId = newStore();
  const stopping = await startTestApi();
  const other = new Callers(stopping.grpcAddress, stopping.httpUrl);
  const sources = { callers: other, httpUrl: stopping.httpUrl };
  const streams = WATCH_TRANSPORTS.map((transport) => new Watching(sources, transport, { storeId }));
  try {
    for (const each of streams) await each.until(({ complete }) => complete);
    await stopping.api.stop(5_000);
    for (const each of streams) {
      await each.end();
      expect(each.reason).toBe('SHUTTING_DOWN');
      expect(each.messages.length).toBeGreaterThanOrEqual(2);
      expect(each.messages.at(-1)?.cursor).not.toBe('');
    }
  } finally {
    other.grpc.close();
    await stopping.stop();
  }
});

test('where nobody watches a commit is no reason to poll: the polls come ten times a second', async () => {
  const unwatched = await startTestApi();
  const other = new Callers(unwatched.grpcAddress, unwatched.httpUrl);
  const polls = async () => {
    const text = await unwatched.metrics.registry.metrics();
    return Number(/^onhand_feed_poll_seconds_count (\d+)$/m.exec(text)?.[1]);
  };
  try {
    const [before, startedMs] = [await polls(), performance.now()];
    while (performance.now() < startedMs + 1_000) await other.stockOf(1);
    const made = (await polls()) - before;
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThanOrEqual((performance.now() - startedMs) / 100 + 1);
  } finally {
    other.grpc.close();
    await unwatched.stop();
  }
});
