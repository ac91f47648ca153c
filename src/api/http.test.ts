import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { poll } from '../dev/poll.js';
import { Callers } from './callers.js';
import { refusalOf } from './client-error.js';
import { Conformance } from './conformance.js';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;
let callers: Callers;
const log: Record<string, unknown>[] = [];
const conformance = new Conformance();

beforeAll(async () => {
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) });
  started = await startTestApi({ logger });
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterAll(async () => {
  callers.grpc.close();
  await started.stop();
});

const INVENTORY = '/api/v1/inventory';
const JSON_TYPE = { 'content-type': 'application/json' };

async function send(path: string, init: RequestInit = {}) {
  const response = await fetch(started.httpUrl + path, init);
  const text = await response.text();
  conformance.check(init.method ?? 'GET', path, response.status, text);
  const { headers, status } = response;
  const body = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>;
  return { status, headers, text, body };
}

/** Writes bytes and gives all that is answered, when the connection is closed. */
function sendRaw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(started.api.httpPort, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    socket.once('error', reject).once('close', () => resolve(answer));
    socket.write(bytes);
  });
}

/** What the OpenAPI document calls an error, with nothing of the inside. */
function expectError(body: unknown, reason: string): void {
  expect(conformance.problems('#/components/schemas/Error', body)).toEqual([]);
  expect(body).toMatchObject({ reason });
  expect(JSON.stringify(body)).not.toMatch(/\.(ts|js)\b|node_modules|FST_|HPE_/);
}

describe('methods', () => {
  test('HEAD answers what GET does, without a body', async () => {
    const { storeId, productId } = await callers.stockOf(1);
    const path = `${INVENTORY}?storeId=${storeId}&productId=${productId}`;
    const got = await send(path);
    const head = await send(path, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers.get('etag')).toBe(got.headers.get('etag'));
    expect(head.headers.get('content-type')).toBe(got.headers.get('content-type'));
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(100);
    expect(await send(`${INVENTORY}?storeId=x&productId=y`, { method: 'HEAD' })).toMatchObject({
      status: 404,
    });
  });

  test.each([
    [INVENTORY, 'GET, HEAD, OPTIONS'],
    [`${INVENTORY}/sell`, 'POST, OPTIONS'],
    ['/api/v1/stores/S/inventory', 'GET, HEAD, OPTIONS'],
    ['/inventory.v1.InventoryService/Get', 'GET, POST, OPTIONS'],
  ])('OPTIONS and wrong ones tell what %s has', async (path, allow) => {
    const options = await send(path, { method: 'OPTIONS' });
    expect(options).toMatchObject({ status: 204, text: '' });
    expect(options.headers.get('allow')).toBe(allow);
    for (const method of ['DELETE', 'PUT', 'PROPFIND']) {
      const refused = await send(path, { method });
      expect(refused.status).toBe(405);
      expect(refused.headers.get('allow')).toBe(allow);
      expectError(refused.body, 'UNIMPLEMENTED');
    }
  });

  test('unknown paths have none', async () => {
    for (const method of ['GET', 'OPTIONS', 'POST']) {
      const answer = await send('/api/v1/nothing', { method });
      expect(answer.status).toBe(404);
      expectError(answer.body, 'UNIMPLEMENTED');
    }
  });
});

describe('request ids', () => {
  test('are the caller’s where they are sane, and else ours, in answers and log lines', async () => {
    const path = `${INVENTORY}?storeId=x&productId=${randomUUID()}`;
    const idFor = async (given: string, target = path) =>
      (await send(target, { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await idFor('Order-7:3/a')).toBe('Order-7:3/a');
    const made = await idFor('not sane');
    expect(made).toMatch(/^[0-9a-f]{12}-\w+$/);
    expect(await idFor('x'.repeat(129))).not.toBe(made);
    expect(await idFor('on-405', `${INVENTORY}/sell`)).toBe('on-405');
    expect(await idFor('on-bad-url', '/api/v1/stores/%E0%A4%A/inventory')).toBe('on-bad-url');
    expect(await idFor('on-connect', '/inventory.v1.InventoryService/Get?encoding=json&message={}')).toBe(
      'on-connect',
    );
    for (const requestId of ['Order-7:3/a', 'on-405', 'on-bad-url', 'on-connect', made]) {
      const refused = await poll(
        () => log.find((line) => line.requestId === requestId && line.reason),
        5_000,
      );
      expect(refused).toMatchObject({ level: 20, method: expect.any(String) });
    }
    const access = await poll(() => log.find((line) => line.requestId === made && line.path), 5_000);
    expect(access).toMatchObject({ method: 'GET', path: INVENTORY, status: 404 });
    expect(JSON.stringify(access)).not.toContain('storeId');
  });
});

describe('negotiation', () => {
  const accepting = async (accept: string) => {
    const { storeId, productId } = await callers.stockOf(1);
    return await send(`${INVENTORY}?storeId=${storeId}&productId=${productId}`, { headers: { accept } });
  };

  test.each([
    'application/json',
    '*/*',
    'text/html, */*;q=0.1',
    'Application/*',
    'application/json; q=0.001, text/html',
  ])('JSON is accepted by %s', async (accept) => {
    expect(await accepting(accept)).toMatchObject({ status: 200 });
  });

  test.each(['text/html', 'application/xml, text/*', 'application/json;q=0, */*', 'text/html, */*; q=0.0'])(
    'and not by %s',
    async (accept) => {
      const { status, body } = await accepting(accept);
      expect(status).toBe(406);
      expectError(body, 'INVALID_FIELD');
      expect(body.errors).toEqual([{ field: 'Accept', description: 'Accept must allow application/json' }]);
    },
  );

  test('what would not be accepted is not done', async () => {
    const key = await callers.stockOf(5);
    const body = JSON.stringify({ ...key, quantity: 1 });
    const headers = { ...JSON_TYPE, accept: 'text/csv' };
    expect(await send(`${INVENTORY}/sell`, { method: 'POST', headers, body })).toMatchObject({ status: 406 });
    expect(
      await callers.overRest(`?storeId=${key.storeId}&productId=${key.productId}&consistency=STRONG`),
    ).toMatchObject({
      quantity: 5,
    });
  });
});

describe('bodies that are refused', () => {
  const sale = '"storeId": "S", "productId": "P", "quantity": 1';
  const post = (body: string, headers: Record<string, string> = JSON_TYPE) =>
    send(`${INVENTORY}/sell`, { method: 'POST', headers, body });

  test.each([
    ['no JSON', `{${sale}`, 400, 'MALFORMED_MESSAGE'],
    ['more than JSON', `{${sale}} {}`, 400, 'MALFORMED_MESSAGE'],
    ['no object', `[${'['.repeat(9_999)}${']'.repeat(10_000)}`, 400, 'MALFORMED_MESSAGE'],
    [
      '10,000 deep',
      `{${sale}, "metadata": ${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      400,
      'INVALID_FIELD',
    ],
    ['a field twice', `{${sale}, "quantity": 100}`, 400, 'MALFORMED_MESSAGE'],
    ['a field twice, escaped', `{${sale}, "quantit\\u0079": 100}`, 400, 'MALFORMED_MESSAGE'],
    ['a field twice, inside', `{${sale}, "metadata": {"a": "1", "a": "2"}}`, 400, 'MALFORMED_MESSAGE'],
    ['__proto__', `{${sale}, "__proto__": {"quantity": 5}}`, 400, 'MALFORMED_MESSAGE'],
    ['__proto__, escaped', `{${sale}, "__proto\\u005f_": {"quantity": 5}}`, 400, 'MALFORMED_MESSAGE'],
    ['constructor', `{${sale}, "constructor": {"prototype": {"x": 5}}}`, 400, 'MALFORMED_MESSAGE'],
    ['10 MB', `{${sale}, "metadata": {"a": "${'x'.repeat(10_000_000)}"}}`, 413, 'MESSAGE_TOO_LARGE'],
  ])('%s', async (_name, body, status, reason) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expectError(answer.body, reason);
    expect(({} as { quantity?: number }).quantity).toBeUndefined();
  });

  test('strings with colons, quotes and backslashes are not taken for fields', async () => {
    const key = await callers.stockOf(5);
    const metadata = { 'a"b': 'c: "d"', 'e\\': '\\":', 'f:': '\\\\' };
    expect(await callers.overRest('/sell', { ...key, quantity: 1, metadata })).toMatchObject({ status: 200 });
  });

  test.each([
    ['text/plain', {}],
    ['application/x-www-form-urlencoded', {}],
    ['application/xml', {}],
    ['application/json', { 'content-encoding': 'gzip' }],
  ])('%s with %j', async (type, headers) => {
    const answer = await post(`{${sale}}`, { 'content-type': type, ...headers });
    expect(answer.status).toBe(415);
    expectError(answer.body, 'MALFORMED_MESSAGE');
  });
});

describe('what is no proper HTTP', () => {
  const errorIn = (answer: string, status: string) => {
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}\r\n`));
    expect(answer.toLowerCase()).toContain('\r\nconnection: close\r\n');
    return JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as object;
  };

  test('is answered like all else', async () => {
    expectError(errorIn(await sendRaw('nonsense\r\n\r\n'), '400 Bad Request'), 'MALFORMED_MESSAGE');
    const bomb = `GET ${INVENTORY} HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(100_000)}\r\n\r\n`;
    const tooLarge = '431 Request Header Fields Too Large';
    expectError(errorIn(await sendRaw(bomb), tooLarge), 'MESSAGE_TOO_LARGE');
    const many = Array.from({ length: 5_000 }, (_, i) => `H${i}: x\r\n`).join('');
    expectError(
      errorIn(await sendRaw(`GET / HTTP/1.1\r\nHost: x\r\n${many}\r\n`), tooLarge),
      'MESSAGE_TOO_LARGE',
    );
    expect(refusalOf({ name: '', message: '', code: 'ERR_HTTP_REQUEST_TIMEOUT' })).toMatchObject({
      status: 408,
      error: { reason: 'MALFORMED_MESSAGE' },
    });
  });

  test('a body that breaks off, and a caller that goes away, leave the service as it was', async () => {
    const key = await callers.stockOf(5);
    const whole = JSON.stringify({ ...key, quantity: 5 });
    const before = log.length;
    const head = `POST ${INVENTORY}/sell HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    const socket = connect(started.api.httpPort, '127.0.0.1');
    socket.write(`${head}Content-Length: ${whole.length}\r\n\r\n${whole.slice(0, 20)}`);
    socket.end();
    await new Promise((resolve) => socket.resume().once('close', resolve));
    const aborted = connect(started.api.httpPort, '127.0.0.1');
    await new Promise((resolve) => aborted.write(`${head}Content-Length: 9\r\n\r\n{`, resolve));
    aborted.resetAndDestroy();
    const brokenOff = () => log.slice(before).filter(({ reason }) => reason === 'MALFORMED_MESSAGE');
    expect(await poll(() => (brokenOff().length === 2 ? 'both' : undefined), 5_000)).toBe('both');
    expect(
      await callers.overRest(`?storeId=${key.storeId}&productId=${key.productId}&consistency=STRONG`),
    ).toMatchObject({ status: 200, quantity: 5 });
    expect(log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});
