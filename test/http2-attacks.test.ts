import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Target } from './bad-input-target.js';

let target: Target;

beforeAll(async () => {
  target = await Target.start();
});
afterAll(() => target?.stop());
afterEach(() => target.expectUnharmed());

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] = [
  0, 1, 3, 4, 6, 7, 8, 9,
];
const [NO_FLAGS, END_STREAM, END_HEADERS] = [0, 1, 4];

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers in HPACK, each as a literal that is not indexed. */
const hpack = (headers: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(
    headers.flatMap(([name, value]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]),
  );

const REQUEST_HEADERS = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/inventory.v1.InventoryService/Get'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
] as const;

const requestOn = (stream: number, flags = END_HEADERS) =>
  frame(HEADERS, flags, stream, hpack(REQUEST_HEADERS));
const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const times = (count: number, make: (index: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));

function open(): Promise<Socket> {
  const url = new URL(`http://${target.service.grpcAddress}`);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname, () => resolve(socket));
    // The service may close while we still write.
    socket.once('error', reject).on('error', () => {});
  });
}

/** Resolves when the service has closed the connection, or has said GOAWAY with an error. */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let unread = Buffer.alloc(0);
    socket.once('close', () => resolve());
    if (socket.destroyed) resolve();
    socket.on('data', (bytes) => {
      unread = Buffer.concat([unread, bytes]);
      while (unread.length >= 9 && unread.length >= 9 + unread.readUIntBE(0, 3)) {
        const length = 9 + unread.readUIntBE(0, 3);
        if (unread[3] === GOAWAY && unread.readUInt32BE(13) !== 0) socket.destroy();
        unread = unread.subarray(length);
      }
    });
  });
}

/** Sends these frames on a connection of its own. */
async function attack(bytes: Buffer): Promise<Socket> {
  const socket = await open();
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, NO_FLAGS, 0, Buffer.alloc(0)), bytes]));
  return socket;
}

test.each<[string, () => Buffer]>([
  ['headers that are no HPACK', () => frame(HEADERS, END_HEADERS, 1, Buffer.alloc(40, 0xff))],
  ['headers on no stream', () => requestOn(0)],
  ['a stream of an even number', () => requestOn(2)],
  ['data on a stream that was never opened', () => frame(DATA, END_STREAM, 7, Buffer.alloc(10))],
  ['a frame of 16 MB', () => Buffer.from([0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1])],
  ['a window of more than 2^31', () => frame(WINDOW_UPDATE, NO_FLAGS, 0, uint32(2 ** 31 - 1))],
  ['a ping of 7 bytes', () => frame(PING, NO_FLAGS, 0, Buffer.alloc(7))],
  ['settings out of range', () => frame(SETTINGS, NO_FLAGS, 0, Buffer.from([0, 4, 0xff, 0xff, 0xff, 0xff]))],
  [
    'headers that are continued without end',
    () =>
      Buffer.concat([
        requestOn(1, NO_FLAGS),
        times(10_000, (i) => frame(CONTINUATION, NO_FLAGS, 1, hpack([[`x-${i}`, 'x'.repeat(100)]]))),
      ]),
  ],
  [
    '20,000 streams that are reset at once',
    () =>
      times(20_000, (i) =>
        Buffer.concat([requestOn(2 * i + 1), frame(RST_STREAM, NO_FLAGS, 2 * i + 1, uint32(8))]),
      ),
  ],
])('%s end their connection', async (_name, bytes) => {
  await ended(await attack(bytes()));
});

describe('others are served meanwhile, with', () => {
  test.each<[string, () => Buffer]>([
    ['100,000 pings', () => times(100_000, () => frame(PING, NO_FLAGS, 0, Buffer.alloc(8)))],
    ['100,000 settings', () => times(100_000, () => frame(SETTINGS, NO_FLAGS, 0, Buffer.alloc(0)))],
    [
      'a message of 256 KB in frames of one byte',
      () =>
        Buffer.concat([
          requestOn(1),
          frame(DATA, NO_FLAGS, 1, Buffer.from([0, 0, 4, 0, 0])),
          times(60_000, () => frame(DATA, NO_FLAGS, 1, Buffer.from('x'))),
        ]),
    ],
    ['a request that never ends', () => requestOn(1)],
    ['half a frame', () => requestOn(1).subarray(0, 20)],
    [
      'a request without a path',
      () =>
        frame(
          HEADERS,
          END_HEADERS | END_STREAM,
          1,
          hpack(REQUEST_HEADERS.filter(([name]) => name !== ':path')),
        ),
    ],
  ])('%s', async (_name, bytes) => {
    const socket = await attack(bytes());
    socket.resume();
    await target.expectUnharmed();
    socket.destroy();
  });

  test('half a preface', async () => {
    const socket = await open();
    socket.write(PREFACE.subarray(0, 10));
    await target.expectUnharmed();
    socket.destroy();
  });
});

test.each([
  ['of 60 KB', { 'x-large': 'x'.repeat(60_000) }],
  ['that should be base64', { 'x-bin': '!! no base64 !!' }],
])('metadata %s are not looked at', async (_name, headers) => {
  const answer = await target.callers.overGrpc('Get', Buffer.alloc(0), { headers });
  expect(answer).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' });
});

test.each(['gRPC', 'HTTP'])(
  'what is not even HTTP ends its connection on the %s port, and nothing else',
  async (port) => {
    const url = new URL(port === 'gRPC' ? `http://${target.service.grpcAddress}` : target.service.httpUrl);
    const socket = connect(Number(url.port), url.hostname);
    socket.resume().write('\x16\x03\x01\0\xff no request at all\r\n\r\n');
    await once(socket, 'close');
  },
);

test('none of all this was a defect', () => target.expectNoDefect());
