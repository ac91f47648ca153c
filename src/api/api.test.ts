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

describe('a sale', () => {
  test('is the same over gRPC, Connect and REST, and its repeat over another transport is a replay', async () => {
    const key = await callers.stockOf(10);
    const sale = { ...key, quantity: 3, eventId: randomUUID(), metadata: {} };
    const first = await callers.overGrpc('Sell', sale);
    expect(first).toMatchObject({
      stock: { ...key, quantity: 7, version: 2n },
      quantityBefore: 10,
      replayed: false,
    });
    const overThird = await callers.overRest('/sell', sale);
    expect(overThird).toMatchObject({
      status: 200,
      quantity: 7,
      quantityBefore: 10,
      version: 2,
      replayed: true,
    });
    const overSecond = await callers.overConnect('Sell', sale);
    expect(overSecond).toMatchObject({
      stock: { quantity: 7, version: '2' },
      quantityBefore: 10,
      replayed: true,
    });
    expect(await callers.overGrpc('Sell', sale)).toEqual({ ...first, replayed: true });
    expect(await callers.overRest('/sell', { ...sale, quantity: 4 })).toMatchObject({
      status: 409,
      reason: 'EVENT_ID_REUSED',
    });
  });

  test('of more than there is tells what there is, everywhere', async () => {
    const key = await callers.stockOf(2);
    const sale = { ...key, quantity: 5, eventId: randomUUID(), metadata: {} };
    const message = 'Insufficient stock. Available: 2, Requested: 5';
    const metadata = {
      available: '2',
      requested: '5',
      version: '1',
      event_id: sale.eventId,
      replayed: 'false',
    };
    expect(await callers.overGrpc('Sell', sale)).toEqual({
      code: 'FAILED_PRECONDITION',
      reason: 'INSUFFICIENT_STOCK',
      message,
      metadata,
    });
    await callers.overGrpc('Restock', { ...key, quantity: 100, eventId: '', metadata: {} });
    const replay = { message, metadata: { ...metadata, replayed: 'true' }, reason: 'INSUFFICIENT_STOCK' };
    expect(await callers.overConnect('Sell', sale)).toMatchObject({
      ...replay,
      status: 400,
      code: 'failed_precondition',
    });
    expect(await callers.overRest('/sell', sale)).toMatchObject({ ...replay, status: 400, replayed: true });
  });

  test('may have its numbers in quotes over Connect, as JSON of protobuf does', async () => {
    const key = await callers.stockOf(9);
    expect(await callers.overConnect('Sell', { ...key, quantity: '5' })).toMatchObject({
      stock: { ...key, quantity: 4 },
    });
  });

  test('takes its event id from the Idempotency-Key header', async () => {
    const key = await callers.stockOf(2);
    const headers = { 'idempotency-key': `"${randomUUID()}"` };
    const first = await callers.overRest('/sell', { ...key, quantity: 1 }, headers);
    expect(first).toMatchObject({ status: 200, replayed: false, message: 'Sale processed successfully' });
    expect(await callers.overRest('/sell', { ...key, quantity: 1 }, headers)).toEqual({
      ...first,
      replayed: true,
    });
  });
});

describe('reads', () => {
  test('of one stock, fresh enough for what the caller saw last', async () => {
    const key = await callers.stockOf(9);
    const query = `?storeId=${key.storeId}&productId=${key.productId}`;
    const stock = {
      ...key,
      quantity: 9,
      oversold: 0,
      version: 1,
      lastUpdated: expect.stringMatching(/\.\d{6}Z$/),
    };
    expect(await callers.overRest(`${query}&consistency=STRONG`)).toMatchObject({
      ...stock,
      source: 'PRIMARY',
      cached: false,
    });
    expect(await callers.overRest(`${query}&minVersion=1`)).toMatchObject(stock);
    expect(await callers.overRest(`${query}&minVersion=2`)).toMatchObject({
      status: 409,
      reason: 'VERSION_NOT_REACHED',
    });
    expect(await callers.overConnect('Get', key)).toMatchObject({
      stock: { ...key, quantity: 9 },
      stale: false,
    });
    expect(await callers.overRest('?storeId=none&productId=none')).toMatchObject({
      status: 404,
      reason: 'STOCK_NOT_FOUND',
    });
  });

  test('of many stocks, page by page', async () => {
    const storeId = `S-${randomUUID()}`;
    for (const productId of ['a', 'b', 'c'])
      await callers.overRest('/restock', { storeId, productId, quantity: 1 });
    const page = async (query: string) => {
      const response = await fetch(
        `${started.httpUrl}/api/v1/stores/${storeId}/inventory?consistency=STRONG&${query}`,
      );
      const { data } = (await response.json()) as {
        data: { stocks: { productId: string }[]; nextPageToken: string };
      };
      return { products: data.stocks.map((stock) => stock.productId), next: data.nextPageToken };
    };
    const first = await page('pageSize=2');
    expect(first.products).toEqual(['a', 'b']);
    expect(await page(`pageSize=2&pageToken=${first.next}`)).toEqual({ products: ['c'], next: '' });
    const keys = [
      { storeId, productId: 'b' },
      { storeId, productId: 'z' },
    ];
    expect(await callers.overRest('/batch-get', { keys, consistency: 'STRONG' })).toMatchObject({
      stocks: [{ productId: 'b' }],
      missing: [{ storeId, productId: 'z' }],
    });
  });
});

test('wrong paths, methods and content types are told with what would be right', async () => {
  const answer = async (path: string, init: RequestInit) => {
    const response = await fetch(started.httpUrl + path, init);
    const body = (await response.json()) as { reason: string };
    return [response.status, body.reason, response.headers.get('allow')];
  };
  expect(await answer('/api/v1/nothing', {})).toEqual([404, 'UNIMPLEMENTED', null]);
  expect(await answer('/api/v1/inventory/sell', {})).toEqual([405, 'UNIMPLEMENTED', 'POST, OPTIONS']);
  expect(await answer('/api/v1/inventory/sell', { method: 'POST', body: 'a=b' })).toEqual([
    415,
    'MALFORMED_MESSAGE',
    null,
  ]);
  expect(await answer('/api/v1/stores/%E0%A4%A/inventory', {})).toEqual([400, 'MALFORMED_MESSAGE', null]);
});
