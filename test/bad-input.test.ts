import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { poll } from '../src/dev/poll.js';
import { OperationType } from '../src/gen/grpc/inventory/v1/inventory.js';
import {
  encodeSale,
  isBinary,
  refused,
  restOrProtobuf,
  Target,
  TRANSPORTS,
  type Transport,
} from './bad-input-target.js';

const GRIN = '\u{1F600}';
const LIMIT_BYTES = 256 * 1024;

let target: Target;

beforeAll(async () => {
  target = await Target.start();
});
afterAll(() => target?.stop());
afterEach(() => target.expectUnharmed());

describe('fields that break their rules are named, the same over every transport', () => {
  const idProblems: [string, string, string][] = [
    ['empty', '', 'is required'],
    ['blank', ' \t ', 'is required'],
    ['51 long', 'x'.repeat(51), 'must not exceed 50 characters'],
    ['51 long in characters of two UTF-16 units', GRIN.repeat(51), 'must not exceed 50 characters'],
    ['with a NUL', 'a\0b', 'must not contain control or invalid characters'],
    ['with a line break', 'a\r\nb', 'must not contain control or invalid characters'],
    ['with an escape sequence', '\x1b[31ma', 'must not contain control or invalid characters'],
    ['with U+FFFD, what broken text becomes', 'a\uFFFD', 'must not contain control or invalid characters'],
    ['with a space before it', ' a', 'must not start or end with white space'],
  ];
  const idCases = idProblems.flatMap(([name, id, problem]) => [
    [`store id ${name}`, { storeId: id }, { storeId: `Store ID ${problem}` }] as const,
    [`product id ${name}`, { productId: id }, { productId: `Product ID ${problem}` }] as const,
  ]);

  test.each(idCases)('%s', async (_name, change, problems) => {
    const { storeId, productId } = { ...target.good, ...change };
    for (const transport of TRANSPORTS) {
      const refusal = refused(transport, 'INVALID_FIELD', problems);
      expect(await target.send(transport, 'Get', { storeId, productId })).toMatchObject(refusal);
      expect(await target.send(transport, 'Sell', { ...target.good, ...change })).toMatchObject(refusal);
      expect(await target.send(transport, 'Restock', { ...target.good, ...change })).toMatchObject(refusal);
    }
  });

  const uuid = 'Event ID must be a UUID, such as 01976f3e-7c1a-7d35-9d5b-6a7f4f3b2c10';
  test.each<[string, object, Record<string, string>]>([
    ['quantity 0', { quantity: 0 }, { quantity: 'Quantity must be at least 1' }],
    ['quantity -1', { quantity: -1 }, { quantity: 'Quantity must be at least 1' }],
    ['quantity -2^31', { quantity: -(2 ** 31) }, { quantity: 'Quantity must be at least 1' }],
    ['quantity 10,001', { quantity: 10_001 }, { quantity: 'Quantity must not exceed 10,000' }],
    ['quantity 2^31 - 1', { quantity: 2 ** 31 - 1 }, { quantity: 'Quantity must not exceed 10,000' }],
    ['no quantity', { quantity: undefined }, { quantity: 'Quantity is required' }],
    ['event id that is no UUID', { eventId: 'order-17' }, { eventId: uuid }],
    ['event id without hyphens', { eventId: '019063d8694739baea5966c26f8ad910' }, { eventId: uuid }],
    ['event id with a NUL', { eventId: '0190163d-8694-739b-aea5-966c26f8ad9\0' }, { eventId: uuid }],
    ['event id of 10 KB', { eventId: '0'.repeat(10_240) }, { eventId: uuid }],
  ])('%s', async (_name, change, problems) => {
    for (const transport of TRANSPORTS) {
      const refusal = refused(transport, 'INVALID_FIELD', problems);
      expect(await target.send(transport, 'Sell', { ...target.good, ...change })).toMatchObject(refusal);
      expect(await target.send(transport, 'Restock', { ...target.good, ...change })).toMatchObject(refusal);
    }
  });

  test('a version that no stock can have, and the greatest of all, to the last digit', async () => {
    const { storeId, productId } = target.good;
    const greatest = 2n ** 63n - 1n;
    for (const transport of TRANSPORTS) {
      const get = (version: bigint) => {
        const minVersion = isBinary(transport) ? version : String(version);
        return target.send(transport, 'Get', { storeId, productId, minVersion });
      };
      const negative = { minVersion: 'Minimum version must not be negative' };
      expect(await get(-1n)).toMatchObject(refused(transport, 'INVALID_FIELD', negative));
      expect(await get(greatest)).toMatchObject({
        ...refused(transport, 'VERSION_NOT_REACHED'),
        message: expect.stringContaining(String(greatest)),
      });
    }
  });

  test('a value that its enum does not have', async () => {
    const { storeId, productId } = target.good;
    for (const transport of TRANSPORTS) {
      const consistency = restOrProtobuf<string | number>(transport, 'WEAK', 7);
      expect(await target.send(transport, 'Get', { storeId, productId, consistency })).toMatchObject(
        refused(transport, 'INVALID_FIELD', { consistency: 'Consistency must be STRONG or unset' }),
      );
    }
  });
});

describe('a batch', () => {
  /** One operation, a sale unless it says otherwise. */
  const operation = (transport: Transport, change: Record<string, unknown> = {}) => ({
    productId: target.good.productId,
    ...restOrProtobuf<object>(
      transport,
      { type: 'SALE', delta: -1 },
      { eventId: '', type: OperationType.SALE, quantity: 1, reason: '', metadata: {} },
    ),
    ...change,
  });
  const apply = (transport: Transport, operations: object[], mode?: string | number) =>
    target.send(transport, 'Apply', {
      storeId: target.good.storeId,
      operations,
      ...(mode !== undefined && { mode }),
    });

  test('of none, or of more than 1,000', async () => {
    for (const transport of TRANSPORTS) {
      const refusal = (problem: string) =>
        refused(transport, 'INVALID_FIELD', { operations: `Operations ${problem}` });
      expect(await apply(transport, [])).toMatchObject(refusal('are required'));
      const many = Array.from({ length: 1_001 }, () => operation(transport));
      expect(await apply(transport, many)).toMatchObject(refusal('must not exceed 1,000'));
    }
  });

  test('is refused whole for one wrong operation, which is named', async () => {
    for (const transport of TRANSPORTS) {
      const operations = [operation(transport), operation(transport, { productId: 'a\0' })];
      expect(await apply(transport, operations)).toMatchObject(
        refused(transport, 'INVALID_FIELD', {
          'operations[1].productId': 'Product ID must not contain control or invalid characters',
        }),
      );
    }
  });

  test('of an unknown mode, with an operation of an unknown type', async () => {
    for (const transport of TRANSPORTS) {
      const type = restOrProtobuf<string | number>(transport, 'THEFT', 99);
      const mode = restOrProtobuf<string | number>(transport, 'SOMEHOW', 9);
      expect(await apply(transport, [operation(transport, { type })], mode)).toMatchObject(
        refused(transport, 'INVALID_FIELD', {
          mode: 'Mode must be ATOMIC, INDEPENDENT or unset',
          'operations[0].type': 'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE',
        }),
      );
    }
  });
});

test.each([
  ['of another store', () => ({ storeId: 'nowhere' })],
  ['of another product', () => ({ productId: 'nothing' })],
  ['in other letter case', () => ({ productId: target.good.productId.toUpperCase() })],
  ['of the same letters, composed otherwise', () => ({ productId: 'Cafe\u0301' })],
  ['whose name is SQL', () => ({ productId: `' OR 1=1; DROP TABLE stock; --` })],
  ['whose name is a pattern', () => ({ productId: '%_\\' })],
  ['whose name is read from the right', () => ({ productId: '\u202Eabc\u200Bd' })],
])('a stock %s is unknown, and a sale of it leaves no row', async (_name, change) => {
  const request = { ...target.good, ...change() };
  const { storeId, productId } = request;
  for (const transport of TRANSPORTS) {
    const refusal = refused(transport, 'STOCK_NOT_FOUND');
    expect(await target.send(transport, 'Get', { storeId, productId })).toMatchObject(refusal);
    expect(await target.send(transport, 'Sell', request)).toMatchObject(refusal);
  }
});

describe('a message', () => {
  const encode = (transport: Transport, storeId: string) =>
    isBinary(transport)
      ? encodeSale({ ...target.good, storeId })
      : JSON.stringify({ ...target.good, storeId });
  /** A Sell of exactly this many bytes. */
  const ofBytes = (transport: Transport, bytes: number) => {
    const overhead = encode(transport, 'x'.repeat(LIMIT_BYTES)).length - LIMIT_BYTES;
    return encode(transport, 'x'.repeat(bytes - overhead));
  };

  test.each(TRANSPORTS)(
    'of 256 KB is judged by its fields, of one byte more it is too large: %s',
    async (transport) => {
      const inFields = refused(transport, 'INVALID_FIELD', {
        storeId: 'Store ID must not exceed 50 characters',
      });
      const tooLarge = refused(transport, 'MESSAGE_TOO_LARGE');
      for (const method of ['Sell', 'Restock'] as const) {
        expect(await target.send(transport, method, ofBytes(transport, LIMIT_BYTES))).toMatchObject(inFields);
        expect(await target.send(transport, method, ofBytes(transport, LIMIT_BYTES + 1))).toMatchObject(
          tooLarge,
        );
      }
    },
  );

  test.each(TRANSPORTS)(
    'above 1 MB it is not even read, and the answer is the same: %s',
    async (transport) => {
      const bytes = ofBytes(transport, 2 * 1024 * 1024);
      expect(await target.send(transport, 'Sell', bytes)).toMatchObject(
        refused(transport, 'MESSAGE_TOO_LARGE'),
      );
    },
  );
});

describe('a deadline that has passed', () => {
  /** What had begun, and may still take effect, is told with its event id. */
  const notBegun = { message: 'The deadline passed', metadata: {} };

  test('over gRPC', async () => {
    // Where the server's library notices first, it answers by itself: with the code, and without a reason.
    const answer = await poll(async () => {
      const headers = { 'grpc-timeout': '1n' };
      const result = await target.callers.overGrpc('Restock', target.good, { headers });
      expect(result.code).toBe('DEADLINE_EXCEEDED');
      return result.reason === undefined ? undefined : result;
    }, 20_000);
    expect(answer).toMatchObject({ ...refused('gRPC', 'DEADLINE_EXCEEDED'), ...notBegun });
  });

  test('over Connect and gRPC-Web', async () => {
    const { callers, good } = target;
    const connect = { 'connect-timeout-ms': '0' };
    const exceeded = (transport: Transport) => ({ ...refused(transport, 'DEADLINE_EXCEEDED'), ...notBegun });
    expect(await callers.overConnect('Restock', good, connect)).toMatchObject(exceeded('Connect JSON'));
    expect(await callers.overConnectBinary('Restock', good, connect)).toMatchObject(
      exceeded('Connect binary'),
    );
    expect(await callers.overGrpcWeb('Restock', good, { 'grpc-timeout': '0n' })).toMatchObject(
      exceeded('gRPC-Web'),
    );
  });
});

test('none of all this was a defect', () => target.expectNoDefect());
