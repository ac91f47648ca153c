import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ListEventsRequest } from '../gen/grpc/inventory/v1/inventory_service.js';
import { isValidId } from './field-rules.js';
import { eventTokens, listTokens } from './page-token.js';
import { EVENT_ID, events, list, problems } from './sample-requests.js';
import { validateList, validateListEvents } from './validate.js';

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
