import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { CHROMIUM } from '../src/dev/optional-programs.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { keepScreenshot, launchBrowser, openTab } from './browser.js';
import { type ServiceProcess, startService } from './service-process.js';

jest.setTimeout(120_000);

let database: TestDatabase;
let service: ServiceProcess;
let browser: Browser;

describeNeeding(CHROMIUM, 'Swagger UI', () => {
  beforeAll(async () => {
    database = await createTestDatabase();
    service = await startService({ databaseUrl: database.url });
    browser = await launchBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await database?.drop();
  });

  test('lists the operations, and a restock tried out is answered with 200', async () => {
    const { page, errors } = await openTab(browser);
    await page.goto(`${service.httpUrl}/swagger-ui.html`);
    const operation = page.locator('.opblock', { hasText: '/api/v1/inventory/restock' });
    await operation.locator('.opblock-summary-control').click();
    await keepScreenshot(page, 'swagger-ui');
    await operation.getByRole('button', { name: 'Execute' }).click();
    const answer = operation.locator('.live-responses-table .response').first();
    await answer.locator('.response-col_status', { hasText: '200' }).waitFor();
    expect(await answer.textContent()).toContain('Restock processed successfully');
    await keepScreenshot(page, 'swagger-ui-answer');
    expect(errors).toEqual([]);
  });
});
