import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Callers, type Method, type Result } from '../src/api/callers.js';
import { poll } from '../src/dev/poll.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { isAlive } from '../src/dev/process-registry.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { SellRequest } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { type ServiceProcess, startService } from './service-process.js';

const TRANSPORTS = ['gRPC', 'Connect', 'REST'] as const;
type Transport = (typeof TRANSPORTS)[number];

const ON_HAND = 10;
const GRIN = '\u{1F600}';
const LIMIT_BYTES = 256 * 1024;

/** The code of each reason as gRPC and Connect name it, and the HTTP status of Connect and of REST. */
const CODES: Readonly<Record<string, readonly [string, string, number, number]>> = {
  INVALID_FIELD: ['INVALID_ARGUMENT', 'invalid_argument', 400, 400],
  MALFORMED_MESSAGE: ['INVALID_ARGUMENT', 'invalid_argument', 400, 400],
  STOCK_NOT_FOUND: ['NOT_FOUND', 'not_found', 404, 404],
  MESSAGE_TOO_LARGE: ['RESOURCE_EXHAUSTED', 'resource_exhausted', 429, 413],
  DEADLINE_EXCEEDED: ['DEADLINE_EXCEEDED', 'deadline_exceeded', 504, 504],
};

let database: TestDatabase;
let service: ServiceProcess;
let callers: Callers;
let good: { storeId: string; productId: string; quantity: number; eventId: string; metadata: object };
let before: unknown;

beforeAll(async () => {
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
  callers = new Callers(service.grpcAddress, service.httpUrl);
  good = { ...(await callers.stockOf(ON_HAND)), quantity: 1, eventId: '', metadata: {} };
  before = await tables();
});

afterAll(async () => {
  callers?.grpc.close();
  await service?.stop();
  await database?.drop();
});

/** Whatever a test sent: nothing is recorded, nothing has changed, and the same process answers the next call. */
afterEach(async () => {
  expect(await tables()).toEqual(before);
  expect(isAlive(service.pid)).toBe(true);
  const { storeId, productId } = good;
  for (const transport of TRANSPORTS) {
    const answer = await send(transport, 'Get', { storeId, productId });
    expect(answer.stock ?? answer).toMatchObject({ storeId, productId, quantity: ON_HAND });
  }
});

const tables = () =>
  withConnection(database.url, async (client) => {
    const events = await client.query('SELECT count(*)::int AS events FROM event_log');
    const stocks = await client.query('SELECT * FROM stock ORDER BY store_id, product_id');
    return { ...events.rows[0], stocks: stocks.rows };
  });

/** Sends a request: an object; or a message as bytes over gRPC, as text elsewhere. */
function send(transport: Transport, method: Method, request: object | string): Promise<Result> {
  if (transport === 'Connect') return callers.overConnect(method, request);
  if (transport === 'gRPC') {
    const defaults = { consistency: 0, minVersion: 0n };
    return callers.overGrpc(method, Buffer.isBuffer(request) ? request : Object.assign(defaults, request));
  }
  if (method !== 'Get') return callers.overRest(`/${method.toLowerCase()}`, request);
  return callers.overRest(`?${new URLSearchParams(request as Record<string, string>)}`);
}

/** The answer that says this, over this transport; `problems` are the fields and what is wrong with each. */
function refused(transport: Transport, reason: string, problems: Readonly<Record<string, string>> = {}) {
  const [grpcCode, connectCode, connectStatus, restStatus] = CODES[reason]!;
  const code = { gRPC: grpcCode, Connect: connectCode, REST: undefined }[transport];
  const status = { gRPC: undefined, Connect: connectStatus, REST: restStatus }[transport];
  const violations = Object.entries(problems).map(([field, description]) => ({ field, description }));
  return {
    reason,
    ...(code !== undefined && { code }),
    ...(status !== undefined && { status }),
    ...(violations.length > 0 && { fieldViolations: violations }),
  };
}

describe('fields that break their rules are named, the same over every transport', () => {
  const idProblems: [string, string, string][] = [
    ['empty', '', 'is required'],
    ['blank', ' \t ', 'is required'],
    ['51 long', 'x'.repeat(51), 'must not exceed 50 characters'],
    ['51 long in characters of two UTF-16 units', GRIN.repeat(51), 'must not exceed 50 characters'],
    ['with a NUL', 'a\0b', 'must not contain control or invalid characters'],
    ['with U+FFFD, what broken text becomes', 'a\uFFFD', 'must not contain control or invalid characters'],
    ['with a space before it', ' a', 'must not start or end with white space'],
  ];
  const idCases = idProblems.flatMap(([name, id, problem]) => [
    [`store id ${name}`, { storeId: id }, { storeId: `Store ID ${problem}` }] as const,
    [`product id ${name}`, { productId: id }, { productId: `Product ID ${problem}` }] as const,
  ]);

  test.each(idCases)('%s', async (_name, change, problems) => {
    const { storeId, productId } = { ...good, ...change };
    for (const transport of TRANSPORTS) {
      const refusal = refused(transport, 'INVALID_FIELD', problems);
      expect(await send(transport, 'Get', { storeId, productId })).toMatchObject(refusal);
      expect(await send(transport, 'Sell', { ...good, ...change })).toMatchObject(refusal);
      expect(await send(transport, 'Restock', { ...good, ...change })).toMatchObject(refusal);
    }
  });

  const uuid = 'Event ID must be a UUID, such as 01976f3e-7c1a-7d35-9d5b-6a7f4f3b2c10';
  test.each<[string, object, Record<string, string>]>([
    ['quantity 0', { quantity: 0 }, { quantity: 'Quantity must be at least 1' }],
    ['quantity -1', { quantity: -1 }, { quantity: 'Quantity must be at least 1' }],
    ['quantity 10,001', { quantity: 10_001 }, { quantity: 'Quantity must not exceed 10,000' }],
    ['no quantity', { quantity: undefined }, { quantity: 'Quantity is required' }],
    ['event id that is no UUID', { eventId: 'order-17' }, { eventId: uuid }],
    ['event id without hyphens', { eventId: '019063d8694739baea5966c26f8ad910' }, { eventId: uuid }],
    ['event id with a NUL', { eventId: '0190163d-8694-739b-aea5-966c26f8ad9\0' }, { eventId: uuid }],
  ])('%s', async (_name, change, problems) => {
    for (const transport of TRANSPORTS) {
      const refusal = refused(transport, 'INVALID_FIELD', problems);
      expect(await send(transport, 'Sell', { ...good, ...change })).toMatchObject(refusal);
      expect(await send(transport, 'Restock', { ...good, ...change })).toMatchObject(refusal);
    }
  });
});

describe('what each encoding says in its own way', () => {
  /** A good Sell without a quantity, then these bytes: field 3 is the quantity. */
  const withBytes = (...bytes: number[]) => {
    const { quantity: _, ...rest } = good;
    return Buffer.concat([
      SellRequest.encode({ ...rest, metadata: {} } as SellRequest).finish(),
      Buffer.from(bytes),
    ]);
  };
  const withQuantity = (text: string) => JSON.stringify(good).replace('"quantity":1', `"quantity":${text}`);
  const withStoreId = (json: string) => JSON.stringify(good).replace(`"${good.storeId}"`, json);
  const invalid = { storeId: 'Store ID must not contain control or invalid characters' };

  type Request = () => object | string;
  const refuses = async (transport: Transport, request: Request, refusal: object) => {
    for (const method of ['Sell', 'Restock'] as const) {
      expect(await send(transport, method, request())).toMatchObject(refusal);
    }
  };
  const quantity = (problem: string) => ({ quantity: `Quantity ${problem}` });

  test.each<[string, Transport, Request, Record<string, string>]>([
    ['a surrogate', 'gRPC', () => withBytes(0x18, 1, 0x0a, 3, 0xed, 0xa0, 0x80), invalid],
    ['a lone surrogate', 'REST', () => withStoreId('"a\\ud800"'), invalid],
    [
      'quantity 2^31',
      'gRPC',
      () => withBytes(0x18, 0x80, 0x80, 0x80, 0x80, 8),
      quantity('must be at least 1'),
    ],
    ['quantity 2^31', 'REST', () => withQuantity('2147483648'), quantity('must not exceed 10,000')],
    ['NaN as a double', 'gRPC', () => withBytes(0x19, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f), quantity('is required')],
    ['quantity "5" as text', 'gRPC', () => withBytes(0x1a, 1, 0x35), quantity('is required')],
    ['quantity "5"', 'REST', () => withQuantity('"5"'), quantity('must be a number')],
    ['quantity 1.5', 'REST', () => withQuantity('1.5'), quantity('must be a whole number')],
  ])('%s over %s is a wrong field', async (_name, transport, request, problems) => {
    await refuses(transport, request, refused(transport, 'INVALID_FIELD', problems));
  });

  test.each<[string, Transport, Request]>([
    ['a lone surrogate', 'Connect', () => withStoreId('"a\\ud800"')],
    ['quantity 2^31', 'Connect', () => withQuantity('2147483648')],
    ['quantity NaN', 'Connect', () => withQuantity('NaN')],
    ['quantity "NaN"', 'Connect', () => withQuantity('"NaN"')],
    ['quantity 1.5', 'Connect', () => withQuantity('1.5')],
    ['quantity NaN', 'REST', () => withQuantity('NaN')],
    ['a cut-off field', 'gRPC', () => withBytes(0x0a, 200, 0x41)],
    ['an invalid tag', 'gRPC', () => withBytes(0x00, 0x01)],
    ['half an object', 'Connect', () => '{"storeId":'],
    ['half an object', 'REST', () => '{"storeId":'],
    ['a list', 'Connect', () => '[]'],
    ['a list', 'REST', () => '[]'],
    ['nothing', 'REST', () => ''],
    ['__proto__', 'REST', () => '{"__proto__":{}}'],
  ])('%s over %s cannot be decoded', async (_name, transport, request) => {
    await refuses(transport, request, refused(transport, 'MALFORMED_MESSAGE'));
  });
});

test.each([
  ['of another store', () => ({ storeId: 'nowhere' })],
  ['of another product', () => ({ productId: 'nothing' })],
  ['in other letter case', () => ({ productId: good.productId.toUpperCase() })],
])('a stock %s is unknown, and a sale of it leaves no row', async (_name, change) => {
  const request = { ...good, ...change() };
  const { storeId, productId } = request;
  for (const transport of TRANSPORTS) {
    const refusal = refused(transport, 'STOCK_NOT_FOUND');
    expect(await send(transport, 'Get', { storeId, productId })).toMatchObject(refusal);
    expect(await send(transport, 'Sell', request)).toMatchObject(refusal);
  }
});

describe('a message', () => {
  const encode = (transport: Transport, storeId: string) =>
    transport === 'gRPC'
      ? Buffer.from(SellRequest.encode({ ...good, storeId, metadata: {} } as SellRequest).finish())
      : JSON.stringify({ ...good, storeId });
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
        expect(await send(transport, method, ofBytes(transport, LIMIT_BYTES))).toMatchObject(inFields);
        expect(await send(transport, method, ofBytes(transport, LIMIT_BYTES + 1))).toMatchObject(tooLarge);
      }
    },
  );

  test('above 1 MB is not even read by the gRPC server', async () => {
    const answer = await send('gRPC', 'Sell', ofBytes('gRPC', 1024 * 1024 + 1));
    expect(answer.code).toBe('RESOURCE_EXHAUSTED');
  });
});

describe('a deadline that has passed', () => {
  /** What had begun, and may still take effect, is told with its event id. */
  const notBegun = { message: 'The deadline passed', metadata: {} };

  test('over gRPC', async () => {
    // Where the server's library notices first, it answers by itself: with the code, and without a reason.
    const answer = await poll(async () => {
      const result = await callers.overGrpc('Restock', good, { headers: { 'grpc-timeout': '1n' } });
      expect(result.code).toBe('DEADLINE_EXCEEDED');
      return result.reason === undefined ? undefined : result;
    }, 20_000);
    expect(answer).toMatchObject({ ...refused('gRPC', 'DEADLINE_EXCEEDED'), ...notBegun });
  });

  test('over Connect', async () => {
    const answer = await callers.overConnect('Restock', good, { 'connect-timeout-ms': '0' });
    expect(answer).toMatchObject({ ...refused('Connect', 'DEADLINE_EXCEEDED'), ...notBegun });
  });
});

test.each(['gRPC', 'HTTP'])(
  'what is not even HTTP ends its connection on the %s port, and nothing else',
  async (port) => {
    const url = new URL(port === 'gRPC' ? `http://${service.grpcAddress}` : service.httpUrl);
    const socket = connect(Number(url.port), url.hostname);
    socket.resume().write('\x16\x03\x01\0\xff no request at all\r\n\r\n');
    await once(socket, 'close');
  },
);

test('none of all this was a defect', async () => {
  const metrics = await (await fetch(service.metricsUrl)).text();
  expect(metrics).toContain('code="INVALID_ARGUMENT",reason="INVALID_FIELD"');
  expect(metrics).not.toMatch(/onhand_requests_total\{.*code="INTERNAL"/);
});
