import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type StartedApi, startTestApi } from './started-api.js';

/** Whether a real browser is content is shown by test/cross-origin.test.ts. */

const ORIGIN = 'https://shop.example';
const PATHS = [
  '/api/v1/inventory',
  '/inventory.v1.InventoryService/Sell',
  '/inventory.v1.InventoryService/Watch',
];

let open: StartedApi;
let closed: StartedApi;

beforeAll(async () => {
  [open, closed] = await Promise.all([startTestApi({ corsOrigins: [ORIGIN] }), startTestApi()]);
});
afterAll(() => Promise.all([open.stop(), closed.stop()]));

async function corsHeaders({ httpUrl }: StartedApi, path: string, method: string, headers: object) {
  const body = method === 'POST' ? '{}' : undefined;
  const init = { method, headers: { 'content-type': 'application/json', ...headers } };
  const response = await fetch(httpUrl + path, body === undefined ? init : { ...init, body });
  await response.text();
  const found = [...response.headers].filter(([name]) => /^(access-control-|vary$)/.test(name));
  return { status: response.status, ...Object.fromEntries(found) } as Record<string, unknown>;
}

const preflight = (origin: string) => ({
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'content-type,idempotency-key',
});

describe.each(PATHS)('%s', (path) => {
  test('answers the preflight of an allowed origin, and tells scripts which headers they may read', async () => {
    const allowed = await corsHeaders(open, path, 'OPTIONS', preflight(ORIGIN));
    expect(allowed).toMatchObject({
      status: 204,
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'HEAD, POST, GET',
      'access-control-max-age': '7200',
      vary: 'Origin',
    });
    const headers = String(allowed['access-control-allow-headers']).toLowerCase().split(', ');
    expect(headers).toEqual(
      expect.arrayContaining(['content-type', 'idempotency-key', 'connect-protocol-version', 'x-grpc-web']),
    );
    const method = path.startsWith('/api') ? 'GET' : 'POST';
    const answer = await corsHeaders(open, path, method, { origin: ORIGIN });
    expect(answer).toMatchObject({ 'access-control-allow-origin': ORIGIN, vary: 'Origin' });
    const exposed = String(answer['access-control-expose-headers']).toLowerCase().split(', ');
    expect(exposed).toEqual(
      expect.arrayContaining(['grpc-status-details-bin', 'etag', 'retry-after', 'x-request-id']),
    );
  });

  test.each([
    ['another origin', () => open, 'https://shop.example.evil.example'],
    ['the same host over HTTP', () => open, 'http://shop.example'],
    ['null', () => open, 'null'],
    ['any origin where none is configured', () => closed, ORIGIN],
  ])('says nothing to %s', async (_name, api, origin) => {
    const answers = [
      await corsHeaders(api(), path, 'OPTIONS', preflight(origin)),
      await corsHeaders(api(), path, 'POST', { origin }),
    ];
    for (const answer of answers) {
      expect(Object.keys(answer).filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });
});
