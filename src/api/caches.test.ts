import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { poll } from '../dev/poll.js';
import { Consistency, Source } from '../gen/grpc/inventory/v1/inventory.js';
import { Callers, type Result } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';

const KEY = { storeId: 'STORE_CACHES', productId: 'P' };
const UNKNOWN = { storeId: 'STORE_CACHES', productId: 'NOBODY_MADE_IT' };

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

const get = (fields: object = {}) =>
  callers.overGrpc('Get', { ...KEY, consistency: Consistency.UNSPECIFIED, minVersion: 0n, ...fields });
const restock = (key: object = KEY) =>
  callers.overGrpc('Restock', { ...key, quantity: 5, eventId: '', metadata: {} });
const rest = async (path: string) => (await fetch(`${started.httpUrl}/api/v1/inventory${path}`)).json();
const batchGet = (keys: object[], consistency = Consistency.UNSPECIFIED): Promise<Result> =>
  new Promise((resolve, reject) => {
    callers.grpc.batchGet({ keys: keys as never, consistency }, (error, response) => {
      if (error === null) resolve(response as unknown as Result);
      else reject(error);
    });
  });

/** Reads until the answer comes from memory; what is accepted there the feed has a word in. */
async function untilInMemory(): Promise<Result> {
  const answer = await poll(async () => {
    const read = await get();
    return read.source === Source.LOCAL_CACHE ? read : undefined;
  }, 10_000);
  if (answer === undefined) throw new Error('the stock does not come from memory');
  return answer;
}

test('a stock that was read or changed of late is answered from memory, and says so', async () => {
  const { stock } = (await restock()) as unknown as { stock: { quantity: number; version: bigint } };
  const answer = await untilInMemory();
  expect(answer).toMatchObject({ cached: true, stale: false, stock });
  expect(answer.maxAgeMs as number).toBeGreaterThanOrEqual(0);
  expect(answer.maxAgeMs as number).toBeLessThanOrEqual(1_000);
  expect(await rest('?storeId=STORE_CACHES&productId=P')).toMatchObject({
    message: 'Retrieved from cache',
    data: { cached: true, source: 'LOCAL_CACHE', quantity: stock.quantity, version: Number(stock.version) },
  });
});

test('a change through this process is in memory when it is acknowledged', async () => {
  await restock();
  await untilInMemory();
  for (let n = 0; n < 50; n++) {
    const { stock } = (await restock()) as unknown as { stock: { version: bigint } };
    const read = await get();
    expect(read).toMatchObject({ source: Source.LOCAL_CACHE, stock: { version: stock.version } });
  }
});

test('STRONG, and a version that memory has not reached, go to the primary', async () => {
  await restock();
  await untilInMemory();
  expect(await get({ consistency: Consistency.STRONG })).toMatchObject({
    source: Source.PRIMARY,
    cached: false,
  });
  expect(await rest('?storeId=STORE_CACHES&productId=P&consistency=STRONG')).toMatchObject({
    message: 'Retrieved from database',
    data: { cached: false, source: 'PRIMARY' },
  });
  const { stock } = (await get()) as unknown as { stock: { version: bigint } };
  expect(await get({ minVersion: stock.version })).toMatchObject({ source: Source.LOCAL_CACHE });
  expect(await get({ minVersion: stock.version + 1n })).toMatchObject({ reason: 'VERSION_NOT_REACHED' });
});

test('a stock that nobody made is in no cache, and is there as soon as somebody makes it', async () => {
  for (let n = 0; n < 3; n++) expect(await get(UNKNOWN)).toMatchObject({ reason: 'STOCK_NOT_FOUND' });
  const made = { ...UNKNOWN, productId: 'JUST_MADE' };
  expect(await get(made)).toMatchObject({ reason: 'STOCK_NOT_FOUND' });
  await restock(made);
  expect(await get(made)).toMatchObject({ stock: { quantity: 5 } });
});

test('several at once tell the furthest source of them, and what is missing', async () => {
  await restock();
  await untilInMemory();
  expect(await batchGet([KEY, KEY])).toMatchObject({ source: Source.LOCAL_CACHE, cached: true, missing: [] });
  const mixed = await batchGet([KEY, UNKNOWN]);
  expect(mixed).toMatchObject({ cached: false, missing: [UNKNOWN], stocks: [{ productId: 'P' }] });
  expect([Source.REPLICA, Source.PRIMARY]).toContain(mixed.source);
  expect(await batchGet([KEY], Consistency.STRONG)).toMatchObject({ source: Source.PRIMARY, cached: false });
});
