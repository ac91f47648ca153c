import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Callers } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;
let callers: Callers;

beforeAll(async () => {
  started = await startTestApi();
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterAll(async () => {
  callers.grpc.close();
  await started.stop();
});

const storeOf = async (count: number) => {
  const storeId = `S-${randomUUID()}`;
  const operations = Array.from({ length: count }, (_, i) => ({
    productId: `P${i}`,
    type: 'RESTOCK',
    delta: 1,
  }));
  await callers.overRest('/sync', { storeId, operations });
  return `/api/v1/stores/${storeId}/inventory?consistency=STRONG`;
};
/** fetch would undo the encoding. */
const raw = async (path: string, acceptEncoding: string) => {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close'];
  if (acceptEncoding !== '') lines.push(`Accept-Encoding: ${acceptEncoding}`);
  const socket = connect(started.api.httpPort, '127.0.0.1');
  socket.write([...lines, '', ''].join('\r\n'));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const answer = Buffer.concat(chunks);
  const end = answer.indexOf('\r\n\r\n');
  const head = answer.toString('latin1', 0, end).toLowerCase();
  expect(head).toContain('\r\nvary: accept-encoding');
  const body = answer.subarray(end + 4);
  expect(head).toContain(`\r\ncontent-length: ${body.length}`);
  return { encoding: /\r\ncontent-encoding: (\w+)/.exec(head)?.[1], body };
};
const stocksIn = (body: Buffer) =>
  (JSON.parse(body.toString()) as { data: { stocks: [] } }).data.stocks.length;

test('long answers are compressed for those who take it', async () => {
  const path = await storeOf(40);
  const plain = await raw(path, '');
  expect(plain.encoding).toBeUndefined();
  const brotli = await raw(path, 'gzip, deflate, br');
  expect(brotli.encoding).toBe('br');
  expect(stocksIn(brotliDecompressSync(brotli.body))).toBe(40);
  expect(brotli.body.length).toBeLessThan(plain.body.length / 4);
  const gzip = await raw(path, 'br;q=0, *');
  expect(gzip.encoding).toBe('gzip');
  expect(stocksIn(gunzipSync(gzip.body))).toBe(40);
  expect((await raw(path, 'zstd, identity')).encoding).toBeUndefined();
  const head = await fetch(started.httpUrl + path, {
    method: 'HEAD',
    headers: { 'accept-encoding': 'gzip' },
  });
  expect(head.headers.get('content-encoding')).toBe('gzip');
  expect(Number(head.headers.get('content-length'))).toBeLessThan(plain.body.length / 4);
});

test('short answers are not', async () => {
  expect((await raw(await storeOf(3), 'br, gzip')).encoding).toBeUndefined();
});
