import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { CHROMIUM } from '../src/dev/optional-programs.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { launchBrowser, openTab } from './browser.js';
import type { Learnt, TransportName } from './other-origin/client.js';
import { type ServiceProcess, startService } from './service-process.js';
import { type StaticOrigin, startStaticOrigin } from './static-origin.js';

jest.setTimeout(120_000);

const TRANSPORTS: readonly TransportName[] = [
  'Connect with JSON',
  'Connect with GET for reads',
  'Connect with protobuf',
  'gRPC-Web',
];

let origin: StaticOrigin;
let database: TestDatabase;
let open: ServiceProcess;
let closed: ServiceProcess;
let browser: Browser;

/** What the page of this origin learns of a new stock of 10, by which method it read, and how many are left in truth. */
async function visit(pageUrl: string, service: ServiceProcess, transport: TransportName) {
  const productId = randomUUID();
  const stock = `storeId=STORE_001&productId=${productId}`;
  await fetch(`${service.httpUrl}/api/v1/inventory/restock`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ storeId: 'STORE_001', productId, quantity: 10 }),
  });
  const { page } = await openTab(browser);
  try {
    const reads: string[] = [];
    page.on('request', (request) => {
      if (new URL(request.url()).pathname.endsWith('/Get')) reads.push(request.method());
    });
    await page.goto(pageUrl);
    const call = `learn(${JSON.stringify(service.httpUrl)}, ${JSON.stringify(transport)}, '${productId}')`;
    const learnt = await page.evaluate<Learnt>(call);
    const response = await fetch(`${service.httpUrl}/api/v1/inventory?${stock}&consistency=STRONG`);
    const { data } = (await response.json()) as { data: { quantity: number } };
    return { learnt, reads, left: data.quantity };
  } finally {
    await page.context().close();
  }
}

describeNeeding(CHROMIUM, "a browser's calls from another origin", () => {
  beforeAll(async () => {
    origin = await startStaticOrigin();
    database = await createTestDatabase();
    const shared = { databaseUrl: database.url };
    const environment = { ONHAND_CORS_ORIGINS: `http://localhost:${origin.port}` };
    [open, closed] = await Promise.all([startService({ ...shared, environment }), startService(shared)]);
    browser = await launchBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    await open?.stop();
    await closed?.stop();
    await database?.drop();
    await origin?.stop();
  });

  test.each(TRANSPORTS)('are answered where the origin is allowed: %s', async (transport) => {
    const { learnt, reads, left } = await visit(`http://localhost:${origin.port}`, open, transport);
    expect(learnt).toEqual({ read: '10 left', sold: '9 left', refused: 'INSUFFICIENT_STOCK, 9 left' });
    expect(reads).toEqual([transport === 'Connect with GET for reads' ? 'GET' : 'POST']);
    expect(left).toBe(9);
  });

  test.each(TRANSPORTS)(
    'are refused where no origin is allowed, and change nothing: %s',
    async (transport) => {
      const { learnt, left } = await visit(`http://localhost:${origin.port}`, closed, transport);
      const nothing = expect.stringMatching(/^no answer: .*fetch/);
      expect(learnt).toEqual({ read: nothing, sold: nothing, refused: nothing });
      expect(left).toBe(10);
    },
  );

  test('are refused where another origin is allowed', async () => {
    const { learnt, left } = await visit(`http://127.0.0.1:${origin.port}`, open, 'gRPC-Web');
    expect(learnt.sold).toMatch(/^no answer: .*fetch/);
    expect(left).toBe(10);
  });
});
