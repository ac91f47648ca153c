import { once } from 'node:events';
import { connect as connectHttp2, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { grpcFrame } from '../src/api/callers.js';
import { encodeSale, refused, Target } from './bad-input-target.js';

let target: Target;

beforeAll(async () => {
  target = await Target.start();
});
afterAll(() => target?.stop());
afterEach(() => target.expectUnharmed());

const sale = () => encodeSale(target.good);
const MUCH_IN_LITTLE = gzipSync(Buffer.alloc(64 * 1024 * 1024));
const GARBAGE = Buffer.from('this is not what gzip makes');
const GZIP = { 'grpc-encoding': 'gzip' };
const [PLAIN, COMPRESSED, TRAILERS] = [0, 1, 0x80];

/** What gRPC and gRPC-Web put around a message, done wrong. */
type Framing = [string, () => Buffer, Record<string, string>];

const UNDECODABLE: Framing[] = [
  ['compression that no header names', () => grpcFrame(COMPRESSED, gzipSync(sale())), {}],
  ['gzip that is none', () => grpcFrame(COMPRESSED, GARBAGE), GZIP],
  ['gzip that is cut off', () => grpcFrame(COMPRESSED, gzipSync(sale()).subarray(0, 20)), GZIP],
];

const TOO_LARGE: Framing[] = [
  ['a length of 4 GB', () => grpcFrame(PLAIN, sale(), 0xffffffff), {}],
  ['64 MB in 64 KB', () => grpcFrame(COMPRESSED, MUCH_IN_LITTLE), GZIP],
];

/** Unary calls have one message, neither none nor two. */
const NOT_SERVED: Framing[] = [
  ['an unknown compression', () => grpcFrame(COMPRESSED, sale()), { 'grpc-encoding': 'snappy' }],
  ['no message', () => Buffer.alloc(0), {}],
  ['a prefix and no message', () => grpcFrame(PLAIN, Buffer.alloc(0), 10), {}],
  ['two messages', () => Buffer.concat([grpcFrame(PLAIN, sale()), grpcFrame(PLAIN, sale())]), {}],
];

const CUT_OFF: Framing[] = [
  ['a length beyond the end', () => grpcFrame(PLAIN, sale(), 1_000), {}],
  ['half a prefix', () => Buffer.from([0, 0, 0]), {}],
];

describe('gRPC-Web', () => {
  const send = (body: Buffer, headers: Record<string, string>) =>
    target.callers.overGrpcWebRaw('Sell', body, headers);

  test.each<Framing>([
    ...UNDECODABLE,
    ...CUT_OFF,
    ['bytes after the message', () => Buffer.concat([grpcFrame(PLAIN, sale()), Buffer.from([0, 0])]), {}],
    ['a timeout that is none', () => grpcFrame(PLAIN, sale()), { 'grpc-timeout': 'soon' }],
    ['a negative timeout', () => grpcFrame(PLAIN, sale()), { 'grpc-timeout': '-1S' }],
  ])('%s cannot be decoded', async (_name, body, headers) => {
    expect(await send(body(), headers)).toMatchObject(refused('gRPC-Web', 'MALFORMED_MESSAGE'));
  });

  test('gzip of nothing at all is an empty message', async () => {
    expect(await send(grpcFrame(COMPRESSED, Buffer.alloc(0)), GZIP)).toMatchObject(
      refused('gRPC-Web', 'INVALID_FIELD'),
    );
  });

  test.each(TOO_LARGE)('%s is too large', async (_name, body, headers) => {
    expect(await send(body(), headers)).toMatchObject(refused('gRPC-Web', 'MESSAGE_TOO_LARGE'));
  });

  test.each<Framing>([
    ...NOT_SERVED,
    ['trailers of the caller', () => grpcFrame(TRAILERS, Buffer.from('grpc-status: 0')), {}],
  ])('%s is not served', async (_name, body, headers) => {
    expect(await send(body(), headers)).toMatchObject(refused('gRPC-Web', 'UNIMPLEMENTED'));
  });
});

describe('native gRPC', () => {
  // But for messages that are too large these answers are the library's: with the code, and without a reason.
  test.each<[...Framing, string[]]>([
    ...UNDECODABLE.map((each): [...Framing, string[]] => [...each, ['3', '13']]),
    ...TOO_LARGE.map((each): [...Framing, string[]] => [...each, ['8']]),
    ...NOT_SERVED.map((each): [...Framing, string[]] => [...each, ['12', '13']]),
    ...CUT_OFF.map((each): [...Framing, string[]] => [...each, ['12']]),
  ])('%s', async (_name, body, headers, codes) => {
    const answer = await overHttp2({ 'content-type': 'application/grpc', ...headers }, body());
    expect(codes).toContain(answer['grpc-status']);
  });

  test.each(TOO_LARGE)('%s has the reason of too large messages', async (_name, body, headers) => {
    const answer = await overHttp2({ 'content-type': 'application/grpc', ...headers }, body());
    const details = Buffer.from(String(answer['grpc-status-details-bin']), 'base64').toString('latin1');
    expect(details).toContain('MESSAGE_TOO_LARGE');
  });

  test.each([undefined, 'application/json', 'text/html'])('the content type %s', async (type) => {
    const answer = await overHttp2(
      type === undefined ? {} : { 'content-type': type },
      grpcFrame(PLAIN, sale()),
    );
    expect(answer[':status']).toBe(415);
  });

  test('a method that does not exist', async () => {
    const type = { 'content-type': 'application/grpc' };
    const answer = await overHttp2(
      { ...type, ':path': '/inventory.v1.InventoryService/Steal' },
      grpcFrame(PLAIN, sale()),
    );
    expect(answer['grpc-status']).toBe('12');
  });
});

describe('Connect', () => {
  const post = async (
    type: string | undefined,
    body: Buffer | string,
    headers: Record<string, string> = {},
  ) => {
    const url = `${target.service.httpUrl}/inventory.v1.InventoryService/Sell`;
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...(type !== undefined && { 'content-type': type }), ...headers },
      body: Buffer.from(body),
    });
    return { status: response.status, ...((await response.json()) as object) };
  };

  test.each([
    ['without a content type', undefined],
    ['as text', 'text/plain'],
    ['as a form', 'application/x-www-form-urlencoded'],
    ['in another character set', 'application/json; charset=latin1'],
    ['for a stream', 'application/connect+json'],
    ['for native gRPC', 'application/grpc'],
    ['as gRPC-Web text', 'application/grpc-web-text'],
  ])('a request %s', async (_name, type) => {
    expect(await post(type, JSON.stringify(target.good))).toMatchObject({
      status: 415,
      reason: 'MALFORMED_MESSAGE',
    });
  });

  test.each([
    ['application/json', () => JSON.stringify(target.good)],
    ['application/proto', () => sale()],
  ])('what is around a message of %s', async (type, message) => {
    const encoded = (body: Buffer, encoding = 'gzip') => post(type, body, { 'content-encoding': encoding });
    const transport = type === 'application/json' ? 'Connect JSON' : 'Connect binary';
    const infoOf = (reason: string) => {
      const { code, status } = refused(transport, reason) as { code: string; status: number };
      return { code, status, details: [{ debug: { reason } }] };
    };
    expect(await encoded(GARBAGE)).toMatchObject(infoOf('MALFORMED_MESSAGE'));
    expect(await encoded(gzipSync(message()).subarray(0, 20))).toMatchObject(infoOf('MALFORMED_MESSAGE'));
    expect(await encoded(MUCH_IN_LITTLE)).toMatchObject(infoOf('MESSAGE_TOO_LARGE'));
    expect(await encoded(Buffer.from(message()), 'snappy')).toMatchObject(infoOf('UNIMPLEMENTED'));
    for (const timeout of ['soon', '-1', '1e3', '99999999999']) {
      const answer = await post(type, message(), { 'connect-timeout-ms': timeout });
      expect(answer).toMatchObject(infoOf('MALFORMED_MESSAGE'));
    }
  });
});

test('none of all this was a defect', () => target.expectNoDefect());

/** A Sell in one stream of HTTP/2; gives the headers and trailers of the answer. */
async function overHttp2(
  headers: OutgoingHttpHeaders,
  body: Buffer,
): Promise<IncomingHttpHeaders & Record<string, unknown>> {
  const session = connectHttp2(`http://${target.service.grpcAddress}`);
  try {
    const path = '/inventory.v1.InventoryService/Sell';
    const stream = session.request({ ':method': 'POST', ':path': path, te: 'trailers', ...headers });
    const answer = {};
    stream
      .on('response', (each) => Object.assign(answer, each))
      .on('trailers', (each) => Object.assign(answer, each));
    stream.resume().end(body);
    await once(stream, 'close');
    return answer;
  } finally {
    session.close();
  }
}
