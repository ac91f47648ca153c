import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, type Onhand, OnhandError } from '@onhand/client';

/** What the client makes of calls that nobody answers, over a server that does what the test says to every stream. */

const HTTP2_CODES = { NO_ERROR: 0, PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2, CANCEL: 8, ENHANCE_YOUR_CALM: 11 };
const KEY = { storeId: 'S', productId: 'P' };

let server: Http2Server;
let address: string;
let onhand: Onhand;
let streams: number;
let serve: (stream: ServerHttp2Stream, path: string) => void;

beforeEach(async () => {
  streams = 0;
  server = createServer();
  server.on('stream', (stream, headers) => {
    // A reset stream is one of the test's.
    stream.on('error', () => undefined);
    streams++;
    serve(stream, String(headers[':path']));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  onhand = connect(address, { limit: false });
});

afterEach(() => {
  onhand.close();
  server.close();
});

/** Ends the call with NOT_FOUND. */
const answer = (stream: ServerHttp2Stream): void =>
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status.NOT_FOUND },
    { endStream: true },
  );

async function failureOf(call: Promise<unknown>): Promise<OnhandError> {
  const error = await call.catch((thrown: unknown) => thrown);
  if (error instanceof OnhandError) return error;
  throw error;
}

describe.each(Object.entries(HTTP2_CODES))('%s', (_, code) => {
  test('that resets a stream: the command is sent again', async () => {
    serve = (stream) => (streams < 3 ? stream.close(code) : answer(stream));
    expect(await failureOf(onhand.sell({ ...KEY, quantity: 1 }))).toMatchObject({ code: status.NOT_FOUND });
    // Some of them grpc-js may send again by itself.
    expect(streams).toBe(3);
  });

  test('that ends the connection: the command is sent again', async () => {
    serve = (stream) => (streams < 3 ? stream.session?.destroy(undefined, code) : answer(stream));
    expect(await failureOf(onhand.sell({ ...KEY, quantity: 1 }))).toMatchObject({ code: status.NOT_FOUND });
    // Some of them grpc-js may send again by itself.
    expect(streams).toBe(3);
  });

  test('that resets every stream: the service cannot be reached', async () => {
    serve = (stream) => stream.close(code);
    // It would pause beyond its deadline, and so ends with the first failure.
    const hasty = connect(address, { backoff: { firstDelayMs: 10_000 }, limit: false });
    const failure = await failureOf(hasty.sell({ ...KEY, quantity: 1 }, { deadlineMs: 4_000 }));
    hasty.close();
    expect(failure).toMatchObject({
      ...{ code: status.UNAVAILABLE, reason: 'UNREACHABLE' },
      message: expect.stringContaining('cannot be reached'),
    });
  });
});

test('a server that ends connections of which many calls were given up: other calls on it are answered', async () => {
  let sales = 0;
  let answered = false;
  serve = (stream, path) => {
    // The sale that waits is in the first stream; what comes after it is the client's second try.
    if (!path.endsWith('/Sell') || ++sales === 1) return;
    answered = true;
    answer(stream);
  };
  const sale = failureOf(onhand.sell({ ...KEY, quantity: 1 }, { deadlineMs: 55_000 }));
  while (sales === 0) await once(server, 'stream');
  // Until Node's own limit is reached (1,000 at once, then 33 a second): how many are sent in time is the machine's.
  while (!answered) {
    const calls = Array.from({ length: 90 }, () => failureOf(onhand.get(KEY, { deadlineMs: 50 })));
    await Promise.all(calls);
  }
  expect(await sale).toMatchObject({ code: status.NOT_FOUND });
});

test('a call that its caller gives up makes room for the next', async () => {
  serve = () => undefined;
  const narrow = connect(address, { limit: { max: 1 } });
  const ending = new AbortController();
  const givenUp = narrow.get(KEY, { signal: ending.signal });
  while (streams === 0) await once(server, 'stream');
  serve = answer;
  const next = failureOf(narrow.get(KEY));
  ending.abort(new Error('no longer'));
  await expect(givenUp).rejects.toThrow('no longer');
  expect(await next).toMatchObject({ code: status.NOT_FOUND });
  narrow.close();
});
