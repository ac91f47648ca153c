import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type FieldViolation, InventoryError } from '../domain/errors.js';
import type {
  GetRequest,
  ListEventsRequest,
  ListRequest,
  SellRequest,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import { isValidId } from './field-rules.js';
import { eventTokens, listTokens } from './page-token.js';
import {
  validateBatchGet,
  validateGet,
  validateList,
  validateListEvents,
  validateMovement,
} from './validate.js';

const EVENT_ID = '0190163d-8694-739b-aea5-966c26f8ad91';
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
const list = (changes: Partial<ListRequest> = {}): ListRequest => ({
  storeId: 'STORE_001',
  productId: '',
  pageSize: 0,
  pageToken: '',
  consistency: 0,
  ...changes,
});

const events = (changes: Partial<ListEventsRequest> = {}): ListEventsRequest => ({
  storeId: 'STORE_001',
  productId: '',
  eventId: '',
  type: 0,
  status: 0,
  origin: 0,
  actor: '',
  startTime: undefined,
  endTime: undefined,
  descending: false,
  pageSize: 0,
  pageToken: '',
  consistency: 0,
  ...changes,
});

/** What is wrong, as field: description. */
function problems(validate: () => unknown): Record<string, string> {
  try {
    validate();
  } catch (error) {
    if (error instanceof InventoryError && error.reason === 'INVALID_FIELD') return byField(error.violations);
    throw error;
  }
  return {};
}
const byField = (violations: readonly FieldViolation[]) =>
  Object.fromEntries(violations.map(({ field, description }) => [field, description]));
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

describe('ListEvents', () => {
  const TIME = { seconds: 1_700_000_000n, nanos: 123_456_001 };

  test('takes every filter, and the ends of its time range in microseconds, rounded up', () => {
    const eventId = EVENT_ID.toUpperCase();
    const filters = {
      productId: 'P',
      eventId,
      type: 1,
      status: 2,
      origin: 4,
      actor: 'till 4',
      descending: true,
    };
    const times = { startTime: TIME, endTime: { seconds: 1_700_000_000n, nanos: 123_457_000 + 1 } };
    expect(validateListEvents(events({ ...filters, ...times, consistency: 1 }))).toEqual({
      filter: {
        storeId: 'STORE_001',
        productId: 'P',
        eventId: EVENT_ID,
        type: 'SALE',
        status: 'FAILED',
        origin: 'SYNC',
        actor: 'till 4',
        startTimeUs: 1_700_000_000_123_457,
        endTimeUs: 1_700_000_000_123_458,
        descending: true,
      },
      page: { after: undefined, size: 50 },
      strong: true,
    });
  });

  test('without filters is the whole history of the store', () => {
    const { filter } = validateListEvents(events());
    expect(filter).toEqual({
      storeId: 'STORE_001',
      startTimeUs: 0,
      endTimeUs: 2 ** 53 - 1,
      descending: false,
    });
    const ends = {
      startTime: { seconds: -62_135_596_800n, nanos: 0 },
      endTime: { seconds: 253_402_300_799n, nanos: 0 },
    };
    expect(validateListEvents(events(ends)).filter).toEqual(filter);
  });

  test.each<[Partial<ListEventsRequest>, Record<string, string>]>([
    [{ storeId: '' }, { storeId: 'Store ID is required' }],
    [{ productId: ' ' }, { productId: 'Product ID is required' }],
    [{ eventId: 'x' }, { eventId: expect.stringContaining('Event ID must be a UUID') as unknown as string }],
    [{ type: 6 as never }, { type: 'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE, or unset' }],
    [{ type: -1 }, { type: 'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE, or unset' }],
    [{ status: 3 as never }, { status: 'Status must be SUCCESS or FAILED, or unset' }],
    [{ origin: 6 as never }, { origin: 'Origin must be GRPC, CONNECT, REST, SYNC or SYSTEM, or unset' }],
    [{ actor: 'x'.repeat(201) }, { actor: 'Actor must not exceed 200 characters' }],
    [{ actor: 'a\0' }, { actor: 'Actor must not contain control or invalid characters' }],
    [{ startTime: { seconds: 0n, nanos: 1e9 } }, { startTime: 'Start time must be a valid time' }],
    [{ endTime: { seconds: 253_402_300_800n, nanos: 0 } }, { endTime: 'End time must be a valid time' }],
    [{ startTime: TIME, endTime: TIME }, { endTime: 'End time must be after start time' }],
    [{ pageSize: -1 }, { pageSize: 'Page size must not be negative' }],
    [{ consistency: 2 as never }, { consistency: 'Consistency must be STRONG or unset' }],
  ])('%j is refused', (changes, description) => {
    expect(problems(() => validateListEvents(events(changes)))).toEqual(description);
  });
});

describe('page tokens', () => {
  const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }).filter(isValidId);
  const refused = expect.objectContaining({ reason: 'PAGE_TOKEN_INVALID' });
  const historyOf = (changes: Partial<ListEventsRequest>) => validateListEvents(events(changes)).filter;

  test('give back the key or the place in history that they were made for', () => {
    fc.assert(
      fc.property(id, id, fc.boolean(), (storeId, productId, byStore) => {
        const filter = byStore ? { storeId } : { productId };
        const key = { storeId, productId };
        expect(listTokens.decode(listTokens.encode(key, filter), filter)).toEqual(key);
      }),
    );
    const widest = '\u{1F600}'.repeat(50);
    const key = { storeId: widest, productId: widest };
    expect(listTokens.decode(listTokens.encode(key, key), key)).toEqual(key);

    const cursor = { recordedTimeUs: 1_700_000_000_123_457, seq: 12n, firstBeat: 345n };
    const filter = historyOf({});
    expect(eventTokens.decode(eventTokens.encode(cursor, filter), filter)).toEqual(cursor);
    expect([listTokens.encode(undefined, key), eventTokens.encode(undefined, filter)]).toEqual(['', '']);
  });

  test('of List are refused with another filter', () => {
    const token = listTokens.encode({ storeId: 'S', productId: 'P' }, { storeId: 'S' });
    for (const filter of [{ storeId: 'T' }, { productId: 'P' }, { storeId: 'S', productId: 'P' }]) {
      expect(() => listTokens.decode(token, filter)).toThrow(refused);
    }
  });

  test('of ListEvents are refused with any other filter, and with the other order', () => {
    const cursor = { recordedTimeUs: 1_700_000_000_123_457, seq: 12n, firstBeat: 345n };
    const pageToken = eventTokens.encode(cursor, historyOf({}));
    const time = { seconds: 1_700_000_000n, nanos: 0 };
    const others: Partial<ListEventsRequest>[] = [
      { storeId: 'S' },
      { productId: 'P' },
      { eventId: EVENT_ID },
      { type: 1 },
      { status: 1 },
      { origin: 1 },
      { actor: 'a' },
      { startTime: time },
      { endTime: time },
      { descending: true },
    ];
    for (const other of others) {
      expect(() => validateListEvents(events({ ...other, pageToken }))).toThrow(refused);
    }
    const same = validateListEvents(events({ pageToken, pageSize: 7, consistency: 1 }));
    expect(same.page).toEqual({ after: cursor, size: 7 });
  });

  test('are refused where they are none of ours', () => {
    const ofList = listTokens.encode({ storeId: 'S', productId: '1' }, { storeId: 'S' });
    const [, digest] = contentOf(ofList);
    const ofEvents = eventTokens.encode({ recordedTimeUs: 1, seq: 1n, firstBeat: 1n }, historyOf({}));
    const [, digestOfEvents] = contentOf(ofEvents);
    const forged = [
      [1, digest, 'S', 'P'],
      [2, digest, 'S', 'a\0'],
      [2, digest, 'S', 7],
      [2, digest, 'S', 'P', 'P'],
      [2, digestOfEvents, '1', '1', '-1'],
      [2, digestOfEvents, '1', '1', 1],
      [2, digestOfEvents, '1', '1'.repeat(17), '1'],
      [2],
      { 0: 2 },
      null,
    ];
    const texts = forged.map((content) => Buffer.from(JSON.stringify(content)).toString('base64url'));
    for (const pageToken of [...texts, 'x', '%%%', 'x'.repeat(100_000)]) {
      expect(() => validateList(list({ storeId: 'S', pageToken }))).toThrow(refused);
      expect(() => validateListEvents(events({ pageToken }))).toThrow(refused);
    }
    expect(() => validateList(list({ storeId: 'S', pageToken: ofEvents }))).toThrow(refused);
    expect(() => validateListEvents(events({ pageToken: ofList }))).toThrow(refused);
    const text = fc.string({ minLength: 1 });
    fc.assert(fc.property(text, (any) => expect(() => listTokens.decode(any, {})).toThrow(refused)));
  });
});

const contentOf = (token: string): unknown[] => JSON.parse(Buffer.from(token, 'base64url').toString());
