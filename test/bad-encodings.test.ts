import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { BINARY_TRANSPORTS, encodeSale, refused, Target, type Transport } from './bad-input-target.js';

let target: Target;

beforeAll(async () => {
  target = await Target.start();
});
afterAll(() => target?.stop());
afterEach(() => target.expectUnharmed());

type Problems = Readonly<Record<string, string>>;

async function refuses(transport: Transport, request: () => object | string, refusal: object): Promise<void> {
  for (const method of ['Sell', 'Restock'] as const) {
    expect(await target.send(transport, method, request())).toMatchObject(refusal);
  }
}

const quantity = (problem: string): Problems => ({ quantity: `Quantity ${problem}` });

describe('protobuf', () => {
  /** A good sale without a quantity, then these bytes: field 3 is the quantity. */
  const withBytes = (...bytes: number[]) =>
    Buffer.concat([encodeSale({ ...target.good, quantity: undefined }), Buffer.from(bytes)]);
  const varint64 = (...low: number[]) => [0x18, ...low, ...Array(9 - low.length).fill(0x80), 0x01];
  /** Tags of field 100. */
  const [START_GROUP, END_GROUP] = [
    [0xa3, 0x06],
    [0xa4, 0x06],
  ];
  const nested = (depth: number) => [
    ...Array(depth).fill(START_GROUP).flat(),
    ...Array(depth).fill(END_GROUP).flat(),
  ];
  const unknown = [
    ...[0xa0, 0x06, 1, 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xa2, 0x06, 2, 0xff, 0xff],
    ...nested(50),
    ...[0xa5, 0x06, 1, 2, 3, 4, 0xf8, 0xff, 0xff, 0xff, 0x0f, 1],
  ];
  const invalid = { storeId: 'Store ID must not contain control or invalid characters' };
  /** A field with this tag that is a message of these bytes. */
  const nest = (tag: number, bytes: readonly number[]) => [
    ...[tag, 0x80 | (bytes.length & 0x7f), bytes.length >> 7],
    ...bytes,
  ];
  const [OCCURRED_TIME, METADATA] = [0x2a, 0x32];

  test.each<[string, number[], Problems]>([
    ['quantity 2^31', [0x18, 0x80, 0x80, 0x80, 0x80, 8], quantity('must be at least 1')],
    ['quantity -2^63', varint64(0x80), quantity('must be at least 1')],
    ['quantity 2^32', [0x18, 0x80, 0x80, 0x80, 0x80, 0x10], quantity('must be at least 1')],
    ['quantity 5 and then 0', [0x18, 5, 0x18, 0], quantity('must be at least 1')],
    [
      'unknown fields of every kind, which are ignored, and quantity 0',
      [...unknown, 0x18, 0],
      quantity('must be at least 1'),
    ],
    [
      'unknown fields of every kind in an entry of the metadata and in the time, and quantity 0',
      [
        ...nest(METADATA, [0x0a, 1, 0x61, ...unknown]),
        ...nest(OCCURRED_TIME, [0x08, 0x80, 0xe2, 0xcf, 0xaa, 0x06, ...unknown]),
        ...[0x18, 0],
      ],
      quantity('must be at least 1'),
    ],
  ])('%s is a wrong field', async (_name, bytes, problems) => {
    for (const transport of BINARY_TRANSPORTS) {
      await refuses(transport, () => withBytes(...bytes), refused(transport, 'INVALID_FIELD', problems));
    }
  });

  // Where the field has another type, or its text is broken, one library takes it for absent or repairs it, the other
  // one cannot decode the message.
  test.each<[string, number[], Problems]>([
    ['a surrogate', [0x18, 1, 0x0a, 3, 0xed, 0xa0, 0x80], invalid],
    ['broken UTF-8', [0x18, 1, 0x0a, 2, 0xc3, 0x28], invalid],
    ['NaN as a double', [0x19, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f], quantity('is required')],
    ['quantity 5 as a fixed32', [0x1d, 5, 0, 0, 0], quantity('is required')],
    ['quantity "5" as text', [0x1a, 1, 0x35], quantity('is required')],
  ])('%s is refused', async (_name, bytes, problems) => {
    await refuses('gRPC', () => withBytes(...bytes), refused('gRPC', 'INVALID_FIELD', problems));
    for (const transport of ['Connect binary', 'gRPC-Web'] as const) {
      await refuses(transport, () => withBytes(...bytes), refused(transport, 'MALFORMED_MESSAGE'));
    }
  });

  test.each<[string, number[]]>([
    ['a cut-off field', [0x0a, 200, 0x41]],
    ['a cut-off varint', [0x18, 0x80]],
    ['a cut-off tag', [0x18, 1, 0x80]],
    ['a length of 4 GB', [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a varint of 11 bytes', [0x18, ...Array(10).fill(0xff), 1]],
    ['tag 0', [0x18, 1, 0x00, 0x01]],
    ['tag 0 at its end', [0x18, 1, 0x00]],
    ['the end of a group that never began', [0x18, 1, ...END_GROUP]],
    ['a group that never ends', [0x18, 1, ...START_GROUP]],
    ['the end of another group', [0x18, 1, ...START_GROUP, 0xac, 0x06]],
    ['10,000 groups in each other', [0x18, 1, ...nested(10_000)]],
    ['a wire type that does not exist', [0x18, 1, 0xa6, 0x06, 0]],
    ['metadata with a cut-off entry', [0x18, 1, 0x32, 3, 0x0a, 9, 0x41]],
  ])('%s cannot be decoded', async (_name, bytes) => {
    for (const transport of BINARY_TRANSPORTS) {
      await refuses(transport, () => withBytes(...bytes), refused(transport, 'MALFORMED_MESSAGE'));
    }
  });

  test.each<[string, number[]]>([
    ['tag 0 at its end', [0x00]],
    ['tag 0, then what would be a field of the sale', [0x00, 0x18, 2]],
    ['field 0 of another kind', [0x02, 0]],
    ['the end of a group that never began', END_GROUP],
    ['a group that never ends', START_GROUP],
    ['the end of another group', [...START_GROUP, 0xac, 0x06]],
    ['wire type 6', [0xa6, 0x06, 0]],
    ['wire type 7', [0xa7, 0x06, 0]],
    ['a tag of more than 32 bits', [0x98, 0x80, 0x80, 0x80, 0x10, 1]],
  ])('an entry of the metadata or a time with %s cannot be decoded', async (_name, bytes) => {
    for (const transport of BINARY_TRANSPORTS) {
      for (const tag of [METADATA, OCCURRED_TIME]) {
        const message = () => withBytes(0x18, 1, ...nest(tag, bytes));
        await refuses(transport, message, refused(transport, 'MALFORMED_MESSAGE'));
      }
    }
  });

  test('an invalid tag two messages deep cannot be decoded', async () => {
    const { storeId, productId } = target.good;
    const text = (tag: number, value: string) => nest(tag, [...Buffer.from(value)]);
    const operation = [...text(0x12, productId), 0x18, 1, 0x20, 1, ...nest(0x3a, [0x00])];
    const message = Buffer.from([...text(0x0a, storeId), ...nest(0x12, operation)]);
    for (const transport of BINARY_TRANSPORTS) {
      expect(await target.send(transport, 'Apply', message)).toMatchObject(
        refused(transport, 'MALFORMED_MESSAGE'),
      );
    }
  });

  // protobuf-es looks at neither, and no option of it makes it: it reads on, each byte once. What a parser makes of bytes
  // that are no message is not said by the specification.
  test.each<[string, number[]]>([
    ['a text that goes on behind the end of the entry it is in', [METADATA, 3, 0x0a, 2, 0x61, 0x61]],
    ['a field that begins with the end of a group', [0x0c, 1, 0x53]],
  ])('%s cannot be decoded over gRPC; the other library reads it', async (_name, bytes) => {
    const message = () => withBytes(...bytes, 0x18, 0);
    await refuses('gRPC', message, refused('gRPC', 'MALFORMED_MESSAGE'));
    for (const transport of ['Connect binary', 'gRPC-Web'] as const) {
      const problems = quantity('must be at least 1');
      await refuses(transport, message, refused(transport, 'INVALID_FIELD', problems));
    }
  });

  test('100,000 empty operations are counted, and too many', async () => {
    const message = Buffer.from([0x0a, 1, 0x53, ...Array(100_000).fill([0x12, 0]).flat()]);
    for (const transport of BINARY_TRANSPORTS) {
      expect(await target.send(transport, 'Apply', message)).toMatchObject(
        refused(transport, 'INVALID_FIELD', { operations: 'Operations must not exceed 1,000' }),
      );
    }
  });
});

describe('JSON', () => {
  const withQuantity = (text: string) =>
    JSON.stringify(target.good).replace('"quantity":1', `"quantity":${text}`);
  const withStoreId = (json: string) => JSON.stringify(target.good).replace(`"${target.good.storeId}"`, json);
  const withMetadata = (json: string) =>
    JSON.stringify(target.good).replace('"metadata":{}', `"metadata":${json}`);
  const plus = (text: string) => `${JSON.stringify(target.good).slice(0, -1)},${text}}`;
  const invalid = { storeId: 'Store ID must not contain control or invalid characters' };
  const deep = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

  test.each<[string, Transport, () => string, Problems]>([
    ['a lone surrogate', 'REST', () => withStoreId('"a\\ud800"'), invalid],
    ['a NUL', 'REST', () => withStoreId('"a\\u0000"'), invalid],
    ['a NUL', 'Connect JSON', () => withStoreId('"a\\u0000"'), invalid],
    ['quantity 2^31', 'REST', () => withQuantity('2147483648'), quantity('must not exceed 10,000')],
    ['quantity 2^53 + 1', 'REST', () => withQuantity('9007199254740993'), quantity('must not exceed 10,000')],
    ['quantity 1e400', 'REST', () => withQuantity('1e400'), quantity('must not exceed 10,000')],
    ['quantity "5"', 'REST', () => withQuantity('"5"'), quantity('must be a number')],
    ['quantity 1.5', 'REST', () => withQuantity('1.5'), quantity('must be a whole number')],
    [
      'unknown fields, which are ignored, and quantity 0',
      'Connect JSON',
      () => plus('"color":"red","quantity":0').replace('"quantity":1,', ''),
      quantity('must be at least 1'),
    ],
  ])('%s over %s is a wrong field', async (_name, transport, request, problems) => {
    await refuses(transport, request, refused(transport, 'INVALID_FIELD', problems));
  });

  test.each<[string, Transport, () => string]>([
    ['a lone surrogate', 'Connect JSON', () => withStoreId('"a\\ud800"')],
    ['quantity 2^31', 'Connect JSON', () => withQuantity('2147483648')],
    ['quantity 2^53 + 1', 'Connect JSON', () => withQuantity('9007199254740993')],
    ['quantity 1e400', 'Connect JSON', () => withQuantity('1e400')],
    ['quantity NaN', 'Connect JSON', () => withQuantity('NaN')],
    ['quantity "NaN"', 'Connect JSON', () => withQuantity('"NaN"')],
    ['quantity 1.5', 'Connect JSON', () => withQuantity('1.5')],
    ['quantity NaN', 'REST', () => withQuantity('NaN')],
    ['a field twice', 'Connect JSON', () => plus('"quantity":1')],
    ['a field twice', 'REST', () => plus('"quantity":1')],
    ['a time that is none', 'Connect JSON', () => plus('"occurredTime":"tomorrow"')],
    ['half an object', 'Connect JSON', () => '{"storeId":'],
    ['half an object', 'REST', () => '{"storeId":'],
    ['more than an object', 'Connect JSON', () => `${JSON.stringify(target.good)}{}`],
    ['more than an object', 'REST', () => `${JSON.stringify(target.good)}{}`],
    ['a list', 'Connect JSON', () => '[]'],
    ['a list', 'REST', () => '[]'],
    ['10,000 lists in each other', 'Connect JSON', () => deep(10_000)],
    ['10,000 lists in each other', 'REST', () => deep(10_000)],
    ['10,000 lists in a field', 'Connect JSON', () => withMetadata(deep(10_000))],
    ['nothing', 'Connect JSON', () => ''],
    ['nothing', 'REST', () => ''],
    ['__proto__', 'REST', () => '{"__proto__":{}}'],
  ])('%s over %s cannot be decoded', async (_name, transport, request) => {
    await refuses(transport, request, refused(transport, 'MALFORMED_MESSAGE'));
  });

  test.each(['__proto__', 'constructor', 'toString'])(
    'metadata named %s over Connect is only a name',
    async (name) => {
      const request = () => withMetadata(`{"${name}":"x"}`).replace('"quantity":1', '"quantity":0');
      await refuses(
        'Connect JSON',
        request,
        refused('Connect JSON', 'INVALID_FIELD', quantity('must be at least 1')),
      );
    },
  );
});

test('none of all this was a defect', () => target.expectNoDefect());
