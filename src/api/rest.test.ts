import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Callers } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;
let callers: Callers;

beforeAll(async () => {
  started = await startTestApi();
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterAll(async () => {
  callers.grpc.close();
  await started.stop();
});

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('errors', () => {
  test('have the members of the envelope and of RFC 9457', async () => {
    const body = JSON.stringify({ storeId: 'S', productId: 'P', quantity: 0, color: 'red' });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${started.httpUrl}/api/v1/inventory/sell`, {
      method: 'POST',
      headers,
      body,
    });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const unknown = 'Unknown field; known are storeId, productId, quantity, eventId, occurredTime, metadata';
    const message = `${unknown}; Quantity must be at least 1`;
    expect(await response.json()).toEqual({
      success: false,
      message,
      type: 'tag:inventory.onhand.dev,2026:INVALID_FIELD',
      title: 'Invalid field',
      status: 400,
      detail: message,
      reason: 'INVALID_FIELD',
      metadata: {},
      errors: [
        { field: 'color', description: unknown },
        { field: 'quantity', description: 'Quantity must be at least 1' },
      ],
      timestamp: expect.stringMatching(RFC_3339),
    });
  });
});

describe('the version of a stock and its time are its entity tag', () => {
  const get = async (key: Awaited<ReturnType<Callers['stockOf']>>, ifNoneMatch: string, query = '') => {
    const url = `${started.httpUrl}/api/v1/inventory?storeId=${key.storeId}&productId=${key.productId}${query}`;
    const response = await fetch(url, { headers: { 'if-none-match': ifNoneMatch } });
    return { status: response.status, etag: response.headers.get('etag'), body: await response.text() };
  };

  test('and while it holds the answer is 304, without a body', async () => {
    const key = await callers.stockOf(3);
    const first = await get(key, 'W/"1"');
    expect(first).toMatchObject({ status: 200, etag: expect.stringMatching(/^W\/"1-\d{16}"$/) });
    const { etag } = first;
    expect(await get(key, String(etag))).toEqual({ status: 304, etag, body: '' });
    await callers.overRest('/sell', { ...key, quantity: 1 });
    const next = { status: 200, etag: expect.stringMatching(/^W\/"2-\d{16}"$/) };
    expect(await get(key, String(etag), '&minVersion=2')).toMatchObject(next);
  });

  test('and an unknown stock has none', async () => {
    const unknown = { storeId: 'STORE_001', productId: randomUUID() };
    expect(await get(unknown, '*')).toMatchObject({ status: 404, etag: null });
  });
});

test('the history has names for its numbers, pages and filters', async () => {
  const key = { storeId: `S-${randomUUID()}`, productId: 'P' };
  await callers.overRest('/restock', { ...key, quantity: 2, metadata: { till: '3' } });
  await callers.overRest('/sell', { ...key, quantity: 5 });
  const history = (query: string) =>
    callers.overRest(`/events?storeId=${key.storeId}&consistency=strong&${query}`);
  const first = await history('pageSize=1');
  expect(first).toMatchObject({ status: 200, success: true, message: 'Retrieved from database' });
  expect(first).toMatchObject({ source: 'PRIMARY', cached: false, stale: false });
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  expect(first.events).toEqual([
    {
      ...key,
      eventId: expect.any(String),
      type: 'RESTOCK',
      status: 'SUCCESS',
      effect: 'APPLIED',
      requestedDelta: 2,
      appliedDelta: 2,
      quantityBefore: 0,
      oversoldBefore: 0,
      quantityAfter: 2,
      oversoldAfter: 0,
      version: 1,
      occurredTime: time,
      effectiveTime: time,
      recordedTime: time,
      actor: 'anonymous',
      origin: 'REST',
      metadata: { till: '3' },
      operationReason: '',
      syncEpoch: 0,
      syncSequence: 0,
    },
  ]);
  const refused = { type: 'SALE', status: 'FAILED', effect: 'REFUSED', reason: 'INSUFFICIENT_STOCK' };
  expect(await history(`pageSize=1&pageToken=${first.nextPageToken}`)).toMatchObject({ events: [refused] });
  expect(await history('type=SALE&status=FAILED')).toMatchObject({ events: [refused], nextPageToken: '' });
  expect(await history('descending=true&pageSize=1')).toMatchObject({ events: [refused] });
  expect(await history('startTime=2100-01-01T00:00:00Z')).toMatchObject({ events: [] });
  expect(await history('type=LOSS&descending=yes&startTime=now&color=red')).toMatchObject({
    status: 400,
    reason: 'INVALID_FIELD',
    errors: [
      { field: 'color', description: expect.stringContaining('Unknown field') },
      { field: 'startTime', description: 'Start time must be a time as in 2026-01-31T10:30:00Z' },
      { field: 'descending', description: 'Descending must be true or false' },
      { field: 'type', description: 'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE, or unset' },
    ],
  });
});

describe('a batch', () => {
  const storeWith = async (quantity: number) => {
    const storeId = `S-${randomUUID()}`;
    await callers.overRest('/restock', { storeId, productId: 'A', quantity });
    return storeId;
  };
  const operations = [
    { productId: 'A', delta: -10, type: 'SALE' },
    { productId: 'B', delta: 50, type: 'RESTOCK' },
  ];

  test('is done, and the same batch with the same Idempotency-Key is a replay', async () => {
    const storeId = await storeWith(100);
    const headers = { 'idempotency-key': randomUUID() };
    const first = await callers.overRest('/sync', { storeId, operations }, headers);
    expect(first).toMatchObject({
      status: 200,
      success: true,
      message: 'Batch completed - Success: 2, Failed: 0',
      successCount: 2,
      failureCount: 0,
      errors: [],
      replayed: false,
      results: [
        expect.objectContaining({ productId: 'A', quantity: 90, quantityBefore: 100, version: 2 }),
        expect.objectContaining({ productId: 'B', quantity: 50, quantityBefore: 0, effect: 'APPLIED' }),
      ],
    });
    const second = await callers.overRest('/sync', { storeId, operations }, headers);
    const results = (first.results as object[]).map((result) => ({ ...result, replayed: true }));
    expect(second).toEqual({ ...first, results, replayed: true });
  });

  test('takes what was counted, returned and wasted', async () => {
    const storeId = await storeWith(100);
    const more = [
      { productId: 'A', type: 'WASTE', delta: -1 },
      { productId: 'A', type: 'RETURN', delta: 2 },
      { productId: 'B', type: 'COUNT', quantity: 7 },
    ];
    const { results } = await callers.overRest('/sync', { storeId, operations: more });
    expect(results).toMatchObject([{ quantity: 99 }, { quantity: 101 }, { quantity: 7 }]);
  });

  const tooMuch = [...operations, { productId: 'A', delta: -500, type: 'SALE' }];
  const message = 'Insufficient stock. Available: 90, Requested: 500';

  test('that cannot be done as a whole is refused as a whole', async () => {
    const storeId = await storeWith(100);
    const refused = await callers.overRest('/sync', { storeId, operations: tooMuch });
    expect(refused).toMatchObject({
      status: 400,
      success: false,
      message: 'Batch completed - Success: 0, Failed: 3',
      reason: 'BATCH_REFUSED',
      successCount: 0,
      failureCount: 3,
      errors: [
        { field: 'operations[0]', reason: 'BATCH_REFUSED', productId: 'A' },
        { field: 'operations[1]', reason: 'BATCH_REFUSED', productId: 'B' },
        { field: 'operations[2]', reason: 'INSUFFICIENT_STOCK', description: message },
      ],
    });
    expect(await callers.overRest(`?storeId=${storeId}&productId=A&consistency=STRONG`)).toMatchObject({
      quantity: 100,
    });
  });

  test('of which each operation stands by itself says that not all was done', async () => {
    const storeId = await storeWith(100);
    const answer = await callers.overRest('/sync', { storeId, operations: tooMuch, mode: 'INDEPENDENT' });
    expect(answer).toMatchObject({
      status: 200,
      success: false,
      message: 'Batch completed - Success: 2, Failed: 1',
      successCount: 2,
      failureCount: 1,
      errors: [{ field: 'operations[2]', reason: 'INSUFFICIENT_STOCK', description: message }],
    });
  });

  test('is told what is wrong with it by the names of REST', async () => {
    const wrong = [
      { productId: 'A', delta: -20_000, type: 'SALE' },
      { productId: '', delta: 1, type: 'RESTOCK' },
      { productId: 'A', quantity: -1, type: 'COUNT' },
      { productId: 'A', delta: 1, type: 'LOSS' },
    ];
    const { errors } = await callers.overRest('/sync', { storeId: 'S', operations: wrong });
    const expected = [
      { field: 'operations[0].delta', description: 'Quantity must not exceed 10,000' },
      { field: 'operations[1].productId', description: 'Product ID is required' },
      { field: 'operations[2].quantity', description: 'Quantity must be at least 0' },
      { field: 'operations[3].type', description: expect.stringContaining('Type must be SALE') },
    ];
    expect(errors).toEqual(expected);
    const positive = { productId: 'A', delta: 1, type: 'SALE' };
    const again = await callers.overRest('/sync', { storeId: 'S', operations: [...wrong, positive] });
    expect(again.errors).toEqual([
      { field: 'operations[4].delta', description: 'Delta of a SALE must be negative' },
      ...expected,
    ]);
  });
});
