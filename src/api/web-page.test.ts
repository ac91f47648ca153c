import { request as httpRequest } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;

beforeAll(async () => {
  started = await startTestApi();
});

afterAll(async () => {
  await started.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** Sends the path as it stands, dots and all. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: started.api.httpPort, path, method, headers };
    const request = httpRequest(options, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) });
    });
    request.on('error', reject).end();
  });
}

async function pathsOfAssets(): Promise<string[]> {
  const { body } = await ask('/');
  return [...body.toString().matchAll(/"(\/assets\/[^"]+)"/g)].map((match) => match[1]!);
}

test('the page is asked for anew each time, and answered only where it has changed', async () => {
  const { status, headers, body } = await ask('/');
  expect(status).toBe(200);
  expect(headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' });
  expect(body.toString()).toContain('<title>Onhand</title>');
  const again = await ask('/', { 'if-none-match': String(headers.etag) });
  expect([again.status, again.body.length]).toEqual([304, 0]);
  const head = await ask('/', {}, 'HEAD');
  expect([head.status, head.body.length, head.headers['content-length']]).toEqual([
    200,
    0,
    headers['content-length'],
  ]);
});

test('what it is made of may be kept for ever, and comes compressed to those who take that', async () => {
  const paths = await pathsOfAssets();
  expect(paths.map((path) => path.split('.').at(-1)).sort()).toEqual(['css', 'js', 'svg']);
  for (const path of paths) {
    const plain = await ask(path);
    const gzipped = await ask(path, { 'accept-encoding': 'gzip, br' });
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(gzipped.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    expect(gunzipSync(gzipped.body).equals(plain.body)).toBe(true);
  }
});

test('nothing of it may come from elsewhere', async () => {
  for (const path of ['/', ...(await pathsOfAssets())]) {
    const { headers, body } = await ask(path);
    expect(headers['x-content-type-options']).toBe('nosniff');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|unsafe|\*|data:/);
    expect(body.toString()).not.toMatch(/(src|href)="https?:|url\(["']?https?:|@import/);
  }
});

test.each([
  '/../package.json',
  '/assets/../index.html',
  '/assets/../../package.json',
  '/assets/%2e%2e/%2e%2e/package.json',
  '/assets/..%2f..%2f..%2fpackage.json',
  '/.onhand-build',
  '/assets/',
  '/index.html',
])('%s is not served', async (path) => {
  const { status, body } = await ask(path);
  expect(status).toBe(404);
  expect(JSON.parse(body.toString())).toMatchObject({ reason: 'UNIMPLEMENTED' });
});

test('another method is refused with those that are served', async () => {
  const { status, headers } = await ask('/', {}, 'POST');
  expect([status, headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
});
