import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { BatchMode, Consistency, OperationType } from '../gen/grpc/inventory/v1/inventory.js';
import { Callers, type Result } from './callers.js';
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

const operation = (type: keyof typeof OperationType, productId: string, quantity: number | undefined) => ({
  eventId: randomUUID(),
  productId,
  type: OperationType[type],
  quantity,
  reason: '',
  metadata: {},
});

const apply = (operations: object[], mode: keyof typeof BatchMode = 'ATOMIC', storeId = 'STORE_001') =>
  callers.overGrpc('Apply', { storeId, operations, mode: BatchMode[mode] });

const get = (storeId: string, productId: string) =>
  callers.overGrpc('Get', { storeId, productId, consistency: Consistency.STRONG, minVersion: 0n });

const resultsOf = (answer: Result) => answer.results as Record<string, unknown>[];

const violationsOf = (answer: Result) =>
  Object.fromEntries(
    (answer.fieldViolations as { field: string; description: string }[]).map((each) => [
      each.field,
      each.description,
    ]),
  );

describe('Apply', () => {
  test('runs the five types in their order, over gRPC and Connect alike, and replays', async () => {
    const { productId } = await callers.stockOf(10);
    const operations = [
      operation('SALE', productId, 3),
      operation('RESTOCK', productId, 5),
      operation('RETURN', productId, 1),
      operation('WASTE', productId, 2),
      operation('COUNT', productId, 20),
    ];
    const answer = await apply(operations);
    expect(answer).toMatchObject({ successCount: 5, failureCount: 0 });
    expect(
      resultsOf(answer).map(({ stock, quantityBefore, effect, replayed }) => ({
        quantityBefore,
        quantity: (stock as { quantity: number }).quantity,
        version: (stock as { version: bigint }).version,
        effect,
        replayed,
      })),
    ).toEqual(
      [
        [10, 7],
        [7, 12],
        [12, 13],
        [13, 11],
        [11, 20],
      ].map(([quantityBefore, quantity], index) => ({
        quantityBefore,
        quantity,
        version: BigInt(index + 2),
        effect: 1,
        replayed: false,
      })),
    );
    const again = await callers.overConnect('Apply', { storeId: 'STORE_001', operations });
    expect(again).toMatchObject({ status: 200, successCount: 5, failureCount: 0 });
    expect(resultsOf(again).every(({ replayed }) => replayed === true)).toBe(true);
  });

  test('ATOMIC is the default: a refusal names the offender and changes nothing', async () => {
    const { productId } = await callers.stockOf(8);
    const operations = [operation('SALE', productId, 5), operation('SALE', productId, 5)];
    const answer = await callers.overGrpc('Apply', { storeId: 'STORE_001', operations, mode: 0 });
    expect(answer).toMatchObject({ successCount: 0, failureCount: 2 });
    const stock = { quantity: 8, version: 1n };
    expect(resultsOf(answer)).toMatchObject([
      { status: 2, effect: 4, reason: 8, message: expect.stringContaining('new event ids'), stock },
      { reason: 5, message: 'Insufficient stock. Available: 3, Requested: 5', quantityBefore: 3, stock },
    ]);
    expect(await apply(operations)).toEqual({
      ...answer,
      results: resultsOf(answer).map((result) => ({ ...result, replayed: true })),
    });
    expect(await get('STORE_001', productId)).toMatchObject({ stock });
  });

  test('INDEPENDENT: each operation by itself; what has no stock has none in its result', async () => {
    const { productId } = await callers.stockOf(8);
    const used = operation('SALE', productId, 1);
    const answer = await apply(
      [used, operation('SALE', 'NOBODY', 1), operation('SALE', productId, 8), { ...used, quantity: 2 }],
      'INDEPENDENT',
    );
    expect(answer).toMatchObject({ successCount: 1, failureCount: 3 });
    expect(resultsOf(answer)).toMatchObject([
      { status: 1, reason: 0, message: '' },
      { reason: 4, stock: undefined, message: expect.stringContaining('NOBODY') },
      { reason: 5, stock: { quantity: 7 } },
      { reason: 7, stock: undefined },
    ]);
  });

  test('an id that Sell used is known to Apply, and the other way round', async () => {
    const key = await callers.stockOf(8);
    const sale = operation('SALE', key.productId, 1);
    await apply([sale]);
    const { type: _type, reason: _reason, ...same } = sale;
    expect(await callers.overGrpc('Sell', { ...key, ...same })).toMatchObject({ replayed: true });
    expect(await callers.overGrpc('Sell', { ...key, ...same, quantity: 2 })).toMatchObject({
      reason: 'EVENT_ID_REUSED',
    });
  });

  test('what would go beyond the largest stock is refused, and says how much there is', async () => {
    const { productId } = await callers.stockOf(8);
    const limit = 1_000_000_000;
    const answer = await apply(
      [operation('COUNT', productId, limit), operation('RESTOCK', productId, 3)],
      'INDEPENDENT',
    );
    expect(resultsOf(answer)[1]).toMatchObject({
      reason: ErrorReason.STOCK_LIMIT,
      message: 'Stock limit exceeded. Available: 1000000000, Requested: 3, Limit: 1,000,000,000',
    });
    expect(await get('STORE_001', productId)).toMatchObject({ stock: { quantity: limit, version: 2n } });
  });

  test('refuses bad input whole, naming each field by its place', async () => {
    const { productId } = await callers.stockOf(8);
    const good = operation('SALE', productId, 1);
    const answer = await apply([
      good,
      { ...operation('UNSPECIFIED', '', undefined), eventId: 'x' },
      { ...operation('COUNT', productId, -1), reason: 'r'.repeat(201) },
      operation('COUNT', productId, 1_000_000_001),
      operation('RESTOCK', productId, 10_001),
      { ...good, reason: 'broken\u0000' },
    ]);
    expect(answer).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' });
    expect(violationsOf(answer)).toEqual({
      'operations[1].productId': 'Product ID is required',
      'operations[1].type': 'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE',
      'operations[1].eventId': expect.stringContaining('must be a UUID'),
      'operations[1].quantity': 'Quantity is required',
      'operations[2].quantity': 'Quantity must be at least 0',
      'operations[2].reason': 'Reason must not exceed 200 characters',
      'operations[3].quantity': 'Quantity must not exceed 1,000,000,000',
      'operations[4].quantity': 'Quantity must not exceed 10,000',
      'operations[5].reason': 'Reason must not contain control or invalid characters',
    });
    expect(violationsOf(await apply([]))).toEqual({ operations: 'Operations are required' });
    const many = Array.from({ length: 1_001 }, () => operation('SALE', productId, 1));
    expect(violationsOf(await apply(many))).toEqual({ operations: 'Operations must not exceed 1,000' });
    expect(
      violationsOf(await callers.overGrpc('Apply', { storeId: ' ', operations: [good], mode: 7 })),
    ).toEqual({ storeId: 'Store ID is required', mode: 'Mode must be ATOMIC, INDEPENDENT or unset' });
    expect(await get('STORE_001', productId)).toMatchObject({
      stock: { quantity: 8, version: 1n },
    });
  });

  test('1,000 operations with one refusal change nothing and name it', async () => {
    const storeId = `S-${randomUUID()}`;
    const operations = Array.from({ length: 1_000 }, (_, index) =>
      operation('RESTOCK', `P-${String(index).padStart(4, '0')}`, 1),
    );
    operations[500] = operation('SALE', 'P-0499', 2);
    const answer = await apply(operations, 'ATOMIC', storeId);
    expect(answer).toMatchObject({ successCount: 0, failureCount: 1_000 });
    const reasons = resultsOf(answer).map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason !== 8)).toEqual([5]);
    expect(reasons[500]).toBe(5);
    expect(await apply(operations, 'ATOMIC', storeId)).toEqual({
      ...answer,
      results: resultsOf(answer).map((result) => ({ ...result, replayed: true })),
    });
    expect(await get(storeId, 'P-0000')).toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
