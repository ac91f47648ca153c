import { describe, expect, test } from '@jest/globals';
import { v5 as uuidV5 } from 'uuid';
import { InventoryError } from '../domain/errors.js';
import { BatchMode, OperationType } from '../gen/grpc/inventory/v1/inventory.js';
import { inRestNames, readSync } from './rest-sync.js';

const BATCH_KEY = '0190163d-8694-739b-aea5-966c26f8ad91';
const EVENT_ID = '6f1b1c1e-6f0a-4d52-8d7b-0d3c5c1f2a10';

const operationsOf = (operations: unknown[], key?: string) =>
  readSync({ storeId: 'S', operations }, key).operations;

function problems(read: () => unknown): Record<string, string> {
  try {
    read();
  } catch (error) {
    if (!(error instanceof InventoryError)) throw error;
    return Object.fromEntries(error.violations.map(({ field, description }) => [field, description]));
  }
  return {};
}

describe('operations', () => {
  test.each([
    [{ type: 'SALE', delta: -10 }, OperationType.SALE, 10],
    [{ type: 'WASTE', delta: -1 }, OperationType.WASTE, 1],
    [{ type: 'RESTOCK', delta: 50 }, OperationType.RESTOCK, 50],
    [{ type: 'return', delta: 2 }, OperationType.RETURN, 2],
    [{ type: 'COUNT', quantity: 0 }, OperationType.COUNT, 0],
  ])('%j', (operation, type, quantity) => {
    expect(operationsOf([{ productId: 'P', ...operation }])).toEqual([
      {
        productId: 'P',
        type,
        quantity,
        eventId: '',
        occurredTime: undefined,
        reason: '',
        metadata: {},
      },
    ]);
  });

  test('have what a caller may tell of them', () => {
    const operation = {
      productId: 'P',
      type: 'SALE',
      delta: -1,
      eventId: EVENT_ID,
      occurredTime: '2026-01-31T10:30:00Z',
      reason: 'till 3',
      metadata: { till: '3' },
    };
    expect(operationsOf([operation])).toEqual([
      {
        productId: 'P',
        type: OperationType.SALE,
        quantity: 1,
        eventId: EVENT_ID,
        occurredTime: { seconds: BigInt(Date.parse('2026-01-31T10:30:00Z') / 1000), nanos: 0 },
        reason: 'till 3',
        metadata: { till: '3' },
      },
    ]);
    expect(readSync({ storeId: 'S', operations: [], mode: 'INDEPENDENT' }, undefined).mode).toBe(
      BatchMode.INDEPENDENT,
    );
  });

  test('are refused where their delta has the wrong sign, or is none', () => {
    const wrong = [
      { productId: 'P', type: 'SALE', delta: 10 },
      { productId: 'P', type: 'RESTOCK', delta: 0 },
      { productId: 'P', type: 'WASTE' },
      { productId: 'P', type: 'COUNT', delta: 5 },
      { productId: 'P', type: 'RETURN', quantity: 5 },
      { productId: 'P', type: 'SALE', delta: '-1' },
      'SALE',
    ];
    expect(problems(() => operationsOf(wrong))).toMatchObject({
      'operations[0].delta': 'Delta of a SALE must be negative',
      'operations[1].delta': 'Delta of a RESTOCK must be positive',
      'operations[2].delta': 'Delta is required',
      'operations[3].delta': 'COUNT takes the counted quantity, not a delta',
      'operations[4].quantity': 'Only COUNT takes a quantity; all others take a delta',
      'operations[5].delta': 'Delta must be a number',
      'operations[6]': 'Must be an object',
    });
  });
});

describe('event ids', () => {
  const sale = { productId: 'P', type: 'SALE', delta: -1 };

  test('are their own, or follow from the Idempotency-Key and the place', () => {
    const ids = operationsOf([sale, { ...sale, eventId: EVENT_ID }, sale], BATCH_KEY).map(
      ({ eventId }) => eventId,
    );
    expect(ids).toEqual([uuidV5('0', BATCH_KEY), EVENT_ID, uuidV5('2', BATCH_KEY)]);
  });

  test('follow from a UUID of any version', () => {
    const [operation] = operationsOf([sale], '"FFFFFFFF-0000-0000-0000-000000000000"');
    expect(operation?.eventId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-/);
    expect(problems(() => operationsOf([sale], 'x'))).toMatchObject({
      'Idempotency-Key': 'Idempotency-Key must be a UUID',
    });
  });
});

test('what the rules call the quantity of an operation is its delta here, but for COUNT', () => {
  const request = readSync(
    {
      storeId: 'S',
      operations: [
        { productId: 'P', type: 'SALE', delta: -1 },
        { productId: 'P', type: 'COUNT', quantity: 1 },
      ],
    },
    undefined,
  );
  const violations = ['storeId', 'operations[0].quantity', 'operations[1].quantity'].map((field) => ({
    field,
    description: 'wrong',
  }));
  const error = new InventoryError('INVALID_FIELD', 'wrong', { violations });
  expect(inRestNames(error, request)).toMatchObject({
    reason: 'INVALID_FIELD',
    message: 'wrong',
    violations: [{ field: 'storeId' }, { field: 'operations[0].delta' }, { field: 'operations[1].quantity' }],
  });
  const other = new Error('other');
  expect(inRestNames(other, request)).toBe(other);
});
