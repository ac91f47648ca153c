import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page, Request } from 'playwright-core';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { CHROMIUM } from '../src/dev/optional-programs.js';
import { poll } from '../src/dev/poll.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { accessibilityProblems, keepScreenshot, launchBrowser, openTab } from './browser.js';
import { type ServiceProcess, startService } from './service-process.js';

jest.setTimeout(120_000);

const STORE = 'STORE_001';
const EVENT_ID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/;
const PRODUCTS = 45;
const productName = (number: number) => `PROD_${String(number).padStart(4, '0')}`;

let database: TestDatabase;
let service: ServiceProcess;
let browser: Browser;
const open: Page[] = [];

async function restock(productId: string, quantity: number, storeId = STORE): Promise<void> {
  const response = await fetch(`${service.httpUrl}/api/v1/inventory/restock`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ storeId, productId, quantity }),
  });
  expect(response.status).toBe(200);
}

async function openPage(path: string, options?: BrowserContextOptions) {
  const { page, errors } = await openTab(browser, options);
  open.push(page);
  await page.goto(service.httpUrl + path);
  return { page, errors };
}

const addressOf = (product: string, store = STORE) => `/?${new URLSearchParams({ store, product })}`;
const onHand = (page: Page) => page.locator('.units');
const waitForOnHand = (page: Page, text: string) =>
  page.locator('.units', { hasText: new RegExp(`^${text}$`) }).waitFor();
/** Presses Tab until the element with this name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  const focused =
    "document.activeElement.getAttribute('aria-label') ?? document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent";
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate<string>(focused)).trim() === name) return;
  }
  throw new Error(`60 presses of Tab do not lead to ${name}`);
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

describeNeeding(CHROMIUM, 'the web page', () => {
  beforeAll(async () => {
    database = await createTestDatabase();
    service = await startService({ databaseUrl: database.url, replicaUrls: [database.replicaUrl] });
    const numbers = Array.from({ length: PRODUCTS }, (_, index) => index + 1);
    await Promise.all(numbers.map((number) => restock(productName(number), 100)));
    await restock(productName(1), 7, 'STORE_002');
    browser = await launchBrowser();
  });

  afterEach(async () => {
    for (const page of open.splice(0)) await page.context().close();
  });

  afterAll(async () => {
    await browser?.close();
    await service?.stop();
    await database?.drop();
  });

  test('sells one, shows the number fall, and says when nothing is left', async () => {
    const { page, errors } = await openPage('/');
    await page.getByRole('link', { name: STORE }).click();
    await page.getByRole('link', { name: productName(2) }).click();
    await waitForOnHand(page, '100');
    await button(page, 'Sell').click();
    await waitForOnHand(page, '99');
    await page.getByRole('status').getByText('99 on hand').waitFor();
    expect(await page.getByRole('row', { name: productName(2) }).textContent()).toContain('99');
    await page.getByLabel('Quantity').fill('99');
    await button(page, 'Sell').click();
    await waitForOnHand(page, '0');
    await button(page, 'Sell').click();
    const alert = page.getByRole('alert').filter({ hasText: 'Insufficient stock: none left, 99 asked for.' });
    await alert.waitFor();
    await keepScreenshot(page, 'insufficient-stock');
    await button(page, 'Restock').click();
    await waitForOnHand(page, '99');
    await page
      .getByTestId('freshness')
      .first()
      .getByText(/From (a replica|the primary), at most [\d.]+ s old/)
      .waitFor();
    expect(errors).toEqual([]);
  });

  test('says how many there are where too many are asked for, and takes that number over', async () => {
    const { page } = await openPage(addressOf(productName(3)));
    await page.getByLabel('Quantity').fill('500');
    await button(page, 'Sell').click();
    await page.getByText('Insufficient stock: 100 on hand, 500 asked for.').waitFor();
    await button(page, 'Take 100 instead').click();
    await button(page, 'Sell').click();
    await waitForOnHand(page, '0');
  });

  test('goes through the pages of a store, there and back, and opens at the same page again', async () => {
    const { page, errors } = await openPage(`/?store=${STORE}`);
    await page.getByRole('link', { name: productName(1), exact: true }).waitFor();
    await button(page, 'Next').click();
    await page.getByRole('link', { name: productName(21) }).waitFor();
    await button(page, 'Next').click();
    await page.getByRole('link', { name: productName(41) }).waitFor();
    expect(await button(page, 'Next').getAttribute('aria-disabled')).toBe('true');
    await page.reload();
    await page.getByRole('link', { name: productName(45) }).click();
    await waitForOnHand(page, '100');
    await button(page, 'Previous').click();
    await page.getByRole('link', { name: productName(21) }).waitFor();
    await page.goBack();
    await page.getByRole('link', { name: productName(41) }).waitFor();
    expect(errors).toEqual([]);
  });

  test('finds stocks and stores by their ids', async () => {
    const { page, errors } = await openPage('/');
    await page.getByRole('textbox', { name: 'Product' }).fill(productName(1));
    await button(page, 'Find').click();
    await page.getByRole('link', { name: 'STORE_002 7 on hand' }).click();
    await waitForOnHand(page, '7');
    await page.getByRole('textbox', { name: 'Product' }).fill('x'.repeat(51));
    await button(page, 'Find').click();
    await page.getByText('Product ID must not exceed 50 characters.').waitFor();
    await page.getByRole('textbox', { name: 'Product' }).fill('Häkelgarn "rot" & <b>');
    await button(page, 'Find').click();
    await page.getByText('This store has never had this product.').waitFor();
    await button(page, 'Restock').click();
    await waitForOnHand(page, '1');
    await page.reload();
    await waitForOnHand(page, '1');
    expect(errors).toEqual([]);
  });

  test.each([
    ['', 'Quantity is required'],
    ['0', 'Quantity must be at least 1'],
    ['-3', 'Quantity must be at least 1'],
    ['10001', 'Quantity must not exceed 10,000'],
    ['1.5', 'Quantity must be a whole number'],
    ['99999999999', 'Quantity must be a whole number'],
  ])('a quantity of "%s" is answered at its field', async (text, problem) => {
    const { page, errors } = await openPage(addressOf(productName(4)));
    await waitForOnHand(page, '100');
    const field = page.getByLabel('Quantity');
    await field.fill(text);
    await field.press('Enter');
    await page.getByText(problem).waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    expect(await onHand(page).textContent()).toBe('100');
    await field.fill('2');
    expect(await field.getAttribute('aria-invalid')).toBe('false');
    expect(errors).toEqual([]);
  });

  test('a sale whose answer was lost is asked again with its event id, after a reload too, and sells once', async () => {
    const { page } = await openPage(addressOf(productName(5)));
    await waitForOnHand(page, '100');
    const sales: Request[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/Sell')) sales.push(request);
    });
    let lost = 0;
    await page.route('**/Sell', async (route) => {
      if (lost === 2) return route.continue();
      lost++;
      await route.fetch();
      await route.abort('connectionreset');
    });
    await button(page, 'Sell').click();
    await page.getByText('It may have taken effect or not.').waitFor();
    await keepScreenshot(page, 'unknown-outcome');
    // While it is open, nothing else may be asked of this stock.
    await button(page, 'Restock').click({ force: true });
    await page.reload();
    await button(page, 'Ask again').click();
    expect(await poll(() => (lost === 2 ? true : undefined), 10_000)).toBe(true);
    await button(page, 'Ask again').click();
    await page.getByText('It had taken effect before').waitFor();
    await waitForOnHand(page, '99');
    const eventIds = sales.map((sale) => EVENT_ID.exec(sale.postDataBuffer()?.toString() ?? '')?.[0]);
    expect(eventIds).toEqual([expect.stringMatching(EVENT_ID), eventIds[0], eventIds[0]]);
    await page.getByRole('listitem').filter({ hasText: eventIds[0]! }).getByText('−1').waitFor();
    await button(page, 'Sell').click();
    await waitForOnHand(page, '98');
  });

  test('without a network it says so, keeps the sale, and reminds of it elsewhere', async () => {
    const { page } = await openPage(addressOf(productName(6)));
    await waitForOnHand(page, '100');
    await page.context().setOffline(true);
    await button(page, 'Sell').click();
    await page.getByText(`Sell 1 × ${productName(6)}: This device is offline.`).waitFor();
    await page.getByRole('link', { name: productName(7) }).click();
    await page.context().setOffline(false);
    await button(page, 'Refresh').last().click();
    await page.getByRole('link', { name: `Sell 1 × ${productName(6)} in ${STORE}` }).click();
    await button(page, 'Ask again').click();
    await waitForOnHand(page, '99');
    expect(await page.getByText('It had taken effect before').count()).toBe(0);
  });

  test('shows the history of a stock, refusals too, the newest first, page by page', async () => {
    const product = productName(8);
    const { page, errors } = await openPage(addressOf(product));
    await waitForOnHand(page, '100');
    const entries = page.getByRole('region', { name: 'History' }).getByRole('listitem');
    await entries.filter({ hasText: 'Restock' }).waitFor();
    await page.getByLabel('Quantity').fill('101');
    await button(page, 'Sell').click();
    await entries.filter({ hasText: 'Refused: insufficient stock' }).waitFor();
    await page.getByLabel('Quantity').fill('2');
    for (const left of ['98', '96']) {
      await button(page, 'Sell').click();
      await waitForOnHand(page, left);
    }
    await entries.filter({ hasText: '96 on hand' }).waitFor();
    await keepScreenshot(page, 'history');
    const texts = await entries.allTextContents();
    expect(texts.map((text) => /^[−+]\d+/.exec(text)?.[0])).toEqual(['−2', '−2', '−101', '+100']);
    for (let left = 10; left > 0; left--) await restock(product, 1);
    await page.reload();
    await button(page, 'Older').click();
    await entries.filter({ hasText: '+100' }).waitFor();
    await button(page, 'Newer').click();
    await entries.filter({ hasText: '106 on hand' }).waitFor();
    expect(errors).toEqual([]);
  });

  test('works with the keyboard alone', async () => {
    const { page, errors } = await openPage('/');
    const { keyboard } = page;
    await page.getByRole('link', { name: STORE }).waitFor();
    await tabTo(page, 'Store');
    await keyboard.type(STORE);
    await keyboard.press('Enter');
    await page.getByRole('link', { name: productName(9) }).waitFor();
    await tabTo(page, productName(9));
    await keyboard.press('Enter');
    await waitForOnHand(page, '100');
    await tabTo(page, 'Quantity');
    await keyboard.type('3');
    await keyboard.press('Enter');
    await waitForOnHand(page, '97');
    await tabTo(page, 'Restock');
    await keyboard.press('Space');
    await waitForOnHand(page, '100');
    expect(errors).toEqual([]);
  });

  test('fits a screen of 360 pixels, without a list beside the stock', async () => {
    const { page, errors } = await openPage('/', { viewport: { width: 360, height: 740 }, hasTouch: true });
    await page.getByRole('link', { name: STORE }).tap();
    await page.getByRole('link', { name: productName(10) }).tap();
    await waitForOnHand(page, '100');
    await button(page, 'One more').tap();
    await button(page, 'Sell').tap();
    await waitForOnHand(page, '98');
    await keepScreenshot(page, 'narrow');
    expect(await page.getByRole('link', { name: productName(11) }).isVisible()).toBe(false);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await page.getByRole('link', { name: `All products of ${STORE}` }).tap();
    await page
      .getByRole('row', { name: productName(10) })
      .getByText('98')
      .waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    expect(errors).toEqual([]);
  });

  test.each(['light', 'dark'] as const)('can be seen and heard by everybody, %s', async (colorScheme) => {
    const { page, errors } = await openPage('/', { colorScheme });
    await page.getByRole('link', { name: STORE }).waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.goto(service.httpUrl + addressOf(productName(12)));
    await page.getByRole('listitem').first().waitFor();
    await page.getByLabel('Quantity').fill('1000');
    await button(page, 'Sell').click();
    await page.getByText('Refused: insufficient stock').first().waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await button(page, 'Take 100 instead').click();
    await button(page, 'Sell').click();
    await waitForOnHand(page, '0');
    await page.getByRole('status').waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await keepScreenshot(page, colorScheme);
    await button(page, 'Restock').click();
    await waitForOnHand(page, '100');
    expect(errors).toEqual([]);
  });
});
