import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { GetRequest, SellRequest } from '../gen/grpc/inventory/v1/inventory_service.js';
import { isValidId } from './field-rules.js';
import { EVENT_ID, list, problems } from './sample-requests.js';
import { validateBatchGet, validateGet, validateList, validateMovement } from './validate.js';

const CALLER = { actor: 'anonymous', origin: 'GRPC' } as const;

const sell = (changes: Partial<SellRequest> = {}): SellRequest => ({
  storeId: 'STORE_001',
  productId: 'PROD_0001',
  quantity: 5,
  eventId: EVENT_ID,
  occurredTime: undefined,
  metadata: {},
  ...changes,
});
const get = (changes: Partial<GetRequest> = {}): GetRequest => ({
  storeId: 'STORE_001',
  productId: 'PROD_0001',
  consistency: 0,
  minVersion: 0n,
  ...changes,
});
const movementProblems = (changes: Partial<SellRequest>) =>
  problems(() => validateMovement(sell(changes), 'SALE', CALLER));

describe('ids', () => {
  test.each([
    ['', 'Store ID is required'],
    [' \t ', 'Store ID is required'],
    ['x'.repeat(51), 'Store ID must not exceed 50 characters'],
    ['x'.repeat(100_000), 'Store ID must not exceed 50 characters'],
    ['\u{1F600}'.repeat(51), 'Store ID must not exceed 50 characters'],
    ['a\0b', 'Store ID must not contain control or invalid characters'],
    ['a\u0085b', 'Store ID must not contain control or invalid characters'],
    ['a\u007fb', 'Store ID must not contain control or invalid characters'],
    ['a\ud800b', 'Store ID must not contain control or invalid characters'],
    ['a\uFFFDb', 'Store ID must not contain control or invalid characters'],
    [' a', 'Store ID must not start or end with white space'],
    ['a\u00a0', 'Store ID must not start or end with white space'],
  ])('%j is refused: %s', (storeId, description) => {
    expect(movementProblems({ storeId })).toEqual({ storeId: description });
  });

  test.each(['x', 'a b', 'x'.repeat(50), '\u{1F600}'.repeat(50), 'ÄÖ ß', '東京', "'; DROP TABLE stock; --"])(
    '%j is taken as it is',
    (productId) => {
      expect(validateMovement(sell({ productId }), 'SALE', CALLER).productId).toBe(productId);
    },
  );

  test('are judged by the quick way as by the rules', () => {
    const character = fc.oneof(
      fc.constantFrom(
        ' ',
        '\0',
        '\n',
        '\u007f',
        '\u0085',
        '\ud800',
        '\udc00',
        '\uFFFD',
        '\u00a0',
        '\u{1F600}',
      ),
      fc.string({ minLength: 1, maxLength: 1 }),
    );
    const id = fc.array(character, { maxLength: 60 }).map((parts) => parts.join(''));
    const keepsTheRules = (text: string) => {
      const points = [...text].map((point) => point.codePointAt(0)!);
      const bad = (code: number) =>
        code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0xd800 && code < 0xe000) || code === 0xfffd;
      return points.length >= 1 && points.length <= 50 && text.trim() === text && !points.some(bad);
    };
    fc.assert(
      fc.property(id, (text) => {
        expect(isValidId(text)).toBe(keepsTheRules(text));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a movement', () => {
  test.each([
    [undefined, 'Quantity is required'],
    [0, 'Quantity must be at least 1'],
    [-1, 'Quantity must be at least 1'],
    [10_001, 'Quantity must not exceed 10,000'],
    [2 ** 31, 'Quantity must not exceed 10,000'],
    [1.5, 'Quantity must be a whole number'],
    [Number.NaN, 'Quantity must be a whole number'],
  ])('quantity %j: %s', (quantity, description) => {
    expect(movementProblems({ quantity })).toEqual({ quantity: description });
  });

  test('tells everything that is wrong at once', () => {
    const occurredTime = { seconds: 946_684_799n, nanos: 0 };
    const wrong = {
      storeId: '',
      productId: ' ',
      quantity: 0,
      eventId: 'x',
      occurredTime,
      metadata: { '': '' },
    };
    expect(movementProblems(wrong)).toEqual({
      storeId: 'Store ID is required',
      productId: 'Product ID is required',
      quantity: 'Quantity must be at least 1',
      eventId: expect.stringContaining('Event ID must be a UUID'),
      occurredTime: 'Occurred time must not be before 2000-01-01',
      metadata: 'Metadata keys must have 1 to 64 characters',
    });
  });

  test('has its event id in lower case, or a new one of version 7', () => {
    const idOf = (eventId: string) => validateMovement(sell({ eventId }), 'RESTOCK', CALLER).eventId;
    expect(idOf(EVENT_ID.toUpperCase())).toBe(EVENT_ID);
    expect(idOf('')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(idOf('')).not.toBe(idOf(''));
    for (const eventId of [
      'x',
      `${EVENT_ID}0`,
      `{${EVENT_ID}}`,
      EVENT_ID.replaceAll('-', ''),
      `${EVENT_ID}\n`,
    ]) {
      expect(Object.keys(movementProblems({ eventId }))).toEqual(['eventId']);
    }
  });

  test('has its time in microseconds', () => {
    const timeOf = (seconds: bigint, nanos: number) =>
      validateMovement(sell({ occurredTime: { seconds, nanos } }), 'SALE', CALLER).occurredTimeUs;
    expect(timeOf(1_700_000_000n, 123_456_789)).toBe(1_700_000_000_123_456);
    expect(timeOf(946_684_800n, 0)).toBe(946_684_800_000_000);
    for (const [seconds, nanos] of [
      [0n, 0],
      [253_402_300_800n, 0],
      [1_700_000_000n, -1],
      [1_700_000_000n, 1e9],
    ] as const) {
      expect(Object.keys(movementProblems({ occurredTime: { seconds, nanos } }))).toEqual(['occurredTime']);
    }
  });

  test('has bounded metadata', () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
    expect(movementProblems({ metadata: many(16) })).toEqual({});
    expect(movementProblems({ metadata: many(17) })).toEqual({
      metadata: 'Metadata must not exceed 16 keys',
    });
    expect(movementProblems({ metadata: { k: 'ü'.repeat(1_023) } })).toEqual({});
    expect(movementProblems({ metadata: { k: 'ü'.repeat(1_024) } })).toEqual({
      metadata: 'Metadata must not exceed 2 KB',
    });
    expect(movementProblems({ metadata: { ['k'.repeat(65)]: '' } })).toEqual({
      metadata: 'Metadata keys must have 1 to 64 characters',
    });
    for (const text of ['\0', '\n', '\ud800', '\uFFFD']) {
      const description = 'Metadata must not contain control or invalid characters';
      expect(movementProblems({ metadata: { k: text } })).toEqual({ metadata: description });
      expect(movementProblems({ metadata: { [`k${text}`]: '' } })).toEqual({ metadata: description });
    }
  });
});

describe('reads', () => {
  test('Get', () => {
    expect(validateGet(get({ consistency: 1, minVersion: 7n }))).toEqual({
      key: { storeId: 'STORE_001', productId: 'PROD_0001' },
      minVersion: 7n,
      strong: true,
    });
    expect(problems(() => validateGet(get({ consistency: Number('9'), minVersion: -1n })))).toEqual({
      consistency: 'Consistency must be STRONG or unset',
      minVersion: 'Minimum version must not be negative',
    });
  });

  test('BatchGet names the wrong keys, and not more of them than a trailer can hold', () => {
    const key = { storeId: 'S', productId: 'P' };
    const check = (keys: (typeof key)[]) => problems(() => validateBatchGet({ keys, consistency: 0 }));
    expect(check([key, { storeId: '', productId: 'x'.repeat(51) }])).toEqual({
      'keys[1].storeId': 'Store ID is required',
      'keys[1].productId': 'Product ID must not exceed 50 characters',
    });
    expect(check([])).toEqual({ keys: 'Keys are required' });
    expect(check(Array.from({ length: 501 }, () => key))).toEqual({ keys: 'Keys must not exceed 500' });
    expect(
      Object.keys(check(Array.from({ length: 500 }, () => ({ storeId: '', productId: '' })))),
    ).toHaveLength(32);
  });

  test('List', () => {
    expect(problems(() => validateList(list({ storeId: '', pageSize: -1 })))).toEqual({
      storeId: 'Store ID or product ID is required',
      pageSize: 'Page size must not be negative',
    });
    const sizeOf = (pageSize: number) => validateList(list({ pageSize })).page.size;
    expect([0, 1, 500, 501, 2 ** 31 - 1].map(sizeOf)).toEqual([50, 1, 500, 500, 500]);
    expect(validateList(list({ storeId: '', productId: 'P' })).filter).toEqual({ productId: 'P' });
  });
});
