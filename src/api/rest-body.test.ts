import { describe, expect, test } from '@jest/globals';
import { InventoryError } from '../domain/errors.js';
import { readBatchGet, readGet, readList, readMovement } from './rest-body.js';

const EVENT_ID = '0190163d-8694-739b-aea5-966c26f8ad91';
const sale = { storeId: 'S', productId: 'P', quantity: 5 };

function problems(read: () => unknown): Record<string, string> {
  try {
    read();
  } catch (error) {
    if (!(error instanceof InventoryError)) throw error;
    return Object.fromEntries(error.violations.map(({ field, description }) => [field, description]));
  }
  return {};
}

describe('the body of a sale', () => {
  test('is read, with null as absent', () => {
    const body = {
      ...sale,
      eventId: null,
      occurredTime: '2026-01-31T10:30:00.123456+02:00',
      metadata: { till: '3' },
    };
    expect(readMovement(body, undefined)).toEqual({
      ...sale,
      eventId: '',
      occurredTime: { seconds: BigInt(Date.parse('2026-01-31T08:30:00Z') / 1000), nanos: 123_456_000 },
      metadata: { till: '3' },
    });
    expect(readMovement({ ...sale, quantity: null }, undefined).quantity).toBeUndefined();
  });

  test('is refused for wrong types and unknown fields, together with what else is wrong', () => {
    const wrong = {
      quantity: '5',
      color: 'red',
      storeId: 7,
      metadata: ['x'],
      occurredTime: '2026-02-30T10:00:00Z',
    };
    expect(problems(() => readMovement(wrong, undefined))).toEqual({
      color: expect.stringContaining('Unknown field'),
      quantity: 'Quantity must be a number',
      storeId: 'Store ID must be one string',
      metadata: 'Metadata must be an object of strings',
      occurredTime: 'Occurred time must be a time as in 2026-01-31T10:30:00Z',
      productId: 'Product ID is required',
    });
    for (const time of [
      '2026-01-31',
      '2026-01-31T10:30:00',
      '2026-13-01T00:00:00Z',
      'now',
      '2026-01-31T24:30:00Z',
    ]) {
      expect(Object.keys(problems(() => readMovement({ ...sale, occurredTime: time }, undefined)))).toEqual([
        'occurredTime',
      ]);
    }
  });

  test.each([undefined, null, [], 'text', 7])('%j is no body', (body) => {
    expect(() => readMovement(body, undefined)).toThrow(
      expect.objectContaining({ reason: 'MALFORMED_MESSAGE' }),
    );
  });

  test('takes its event id from the field or the header, and refuses two that differ', () => {
    const idOf = (eventId: string | undefined, header: string | undefined) =>
      readMovement({ ...sale, eventId }, header).eventId;
    expect(idOf(EVENT_ID, undefined)).toBe(EVENT_ID);
    expect(idOf(undefined, EVENT_ID)).toBe(EVENT_ID);
    expect(idOf(undefined, `"${EVENT_ID}"`)).toBe(EVENT_ID);
    expect(idOf(EVENT_ID, EVENT_ID.toUpperCase()).toLowerCase()).toBe(EVENT_ID);
    expect(problems(() => idOf(EVENT_ID, EVENT_ID.replace('0', '1')))).toEqual({
      eventId: 'Event ID and the Idempotency-Key header must be the same',
    });
    expect(problems(() => idOf(undefined, ''))).toEqual({
      'Idempotency-Key': 'Idempotency-Key must be a UUID',
    });
  });
});

describe('the query', () => {
  test('of a get', () => {
    const query = { storeId: 'S', productId: 'P', consistency: 'STRONG', minVersion: '3' };
    expect(readGet(query)).toEqual({ storeId: 'S', productId: 'P', consistency: 1, minVersion: 3n });
    expect(
      problems(() =>
        readGet({ storeId: ['S', 'T'], productId: 'P', minVersion: '1e3', consistency: 'WEAK', x: '' }),
      ),
    ).toEqual({
      x: expect.stringContaining('Unknown field'),
      storeId: 'Store ID must be one string',
      minVersion: 'Minimum version must be a whole number',
      consistency: 'Consistency must be STRONG or unset',
    });
  });

  test('of a list', () => {
    const request = { storeId: 'S', productId: '', pageSize: 7, pageToken: 'x', consistency: 0 };
    expect(readList({ storeId: 'S' }, { pageSize: '7', pageToken: 'x' })).toEqual(request);
    expect(readList({ productId: 'P' }, {})).toMatchObject({ storeId: '', productId: 'P', pageSize: 0 });
    expect(problems(() => readList({ storeId: 'S' }, { pageSize: 'all' }))).toEqual({
      pageSize: 'Page size must be a whole number',
    });
  });
});

test('the keys of a batch', () => {
  const key = { storeId: 'S', productId: 'P' };
  expect(readBatchGet({ keys: [key] })).toEqual({ keys: [key], consistency: 0 });
  expect(problems(() => readBatchGet({ keys: [7, { ...key, z: 1 }, { storeId: 'S' }] }))).toEqual({
    'keys[0]': 'Must be an object',
    'keys[1].z': expect.stringContaining('Unknown field'),
    'keys[2].productId': 'Product ID is required',
  });
  expect(problems(() => readBatchGet({ keys: key }))).toEqual({ keys: 'Keys must be a list' });
});
