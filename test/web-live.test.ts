import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { CHROMIUM } from '../src/dev/optional-programs.js';
import { poll } from '../src/dev/poll.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { accessibilityProblems, keepScreenshot, launchBrowser, openTab } from './browser.js';
import { LastingService } from './lasting-service.js';

jest.setTimeout(180_000);

/** What the browser itself writes into the console where a connection is cut or refused. */
const CUT = /net::ERR_|the server responded with a status of 503/;

let database: TestDatabase;
let service: LastingService;
let browser: Browser;
let store = '';
let stores = 0;
const open: Page[] = [];

async function openPage(product: string, options?: BrowserContextOptions) {
  const { page, errors } = await openTab(browser, options);
  open.push(page);
  const watches: string[] = [];
  const ended: string[] = [];
  const isWatch = (url: string) => url.endsWith('/Watch');
  page.on('request', (request) => isWatch(request.url()) && watches.push(request.url()));
  page.on('requestfailed', (request) => isWatch(request.url()) && ended.push(request.url()));
  await page.goto(`${service.httpUrl}/?${new URLSearchParams({ store, product })}`);
  return { page, errors, watches, ended };
}

const state = (page: Page, text: string) => page.locator('[aria-live=polite]', { hasText: text }).waitFor();
const waitForOnHand = (page: Page, text: string) =>
  page.locator('.units', { hasText: new RegExp(`^${text}$`) }).waitFor();
const feedOf = (page: Page) => page.getByRole('region', { name: 'Changes' }).getByRole('listitem');
const historyOf = (page: Page) => page.getByRole('region', { name: 'History' }).getByRole('listitem');
const row = (page: Page, product: string) =>
  page.getByRole('row').filter({ has: page.getByRole('link', { name: product, exact: true }) });
const waitForRow = (page: Page, product: string, onHand: string) =>
  row(page, product)
    .locator('td.number', { hasText: new RegExp(`(^|\\D)${onHand}$`) })
    .waitFor();

/** The numbers on hand that the feed tells, the newest first, once there are so many. */
async function feedTells(page: Page, entries: number): Promise<string[]> {
  await feedOf(page)
    .nth(entries - 1)
    .waitFor();
  const texts = await feedOf(page).allTextContents();
  return texts.map((text) => /(\d+) on hand/.exec(text)?.[1] ?? text);
}

describeNeeding(CHROMIUM, 'the web page, while others change the stock', () => {
  beforeAll(async () => {
    database = await createTestDatabase();
    service = await LastingService.start(database.url);
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

  const stockedStore = async () => {
    store = `STORE_${++stores}`;
    for (const product of ['A', 'B', 'C']) await service.move(store, product, 100);
  };

  test('a sale over gRPC shows everywhere by itself, and so does a new product', async () => {
    await stockedStore();
    const { page, errors, watches } = await openPage('A');
    await state(page, 'Live');
    await waitForOnHand(page, '100');
    await service.sell(store, 'A', 2);
    await waitForOnHand(page, '98');
    await waitForRow(page, 'A', '98');
    await historyOf(page).filter({ hasText: '98 on hand' }).waitFor();
    await feedOf(page).filter({ hasText: '−2A98 on handSale' }).waitFor();
    await service.sell(store, 'B', 3);
    await waitForRow(page, 'B', '97');
    await service.move(store, 'AB', 5);
    await waitForRow(page, 'AB', '5');
    expect(await feedTells(page, 3)).toEqual(['5', '97', '98']);
    expect(await accessibilityProblems(page)).toEqual([]);
    await keepScreenshot(page, 'live');
    await page.getByRole('link', { name: 'B', exact: true }).first().click();
    await waitForOnHand(page, '97');
    expect(watches).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  test('what the service did while it was away, killed or stopped, comes too, nothing missing, nothing twice', async () => {
    await stockedStore();
    const { page, errors } = await openPage('A');
    await state(page, 'Live');
    const sellTwo = async () => {
      for (let sold = 0; sold < 2; sold++) await service.sell(store, 'A', 1);
    };
    await sellTwo();
    await waitForOnHand(page, '98');
    for (const end of [() => service.kill9(), () => service.stop()]) {
      await end();
      await state(page, 'Reconnecting');
      await service.startAgain(database.url);
      await sellTwo();
      await state(page, 'Live');
      await sellTwo();
    }
    await waitForOnHand(page, '90');
    await waitForRow(page, 'A', '90');
    expect(await feedTells(page, 10)).toEqual(['90', '91', '92', '93', '94', '95', '96', '97', '98', '99']);
    await historyOf(page).filter({ hasText: '90 on hand' }).waitFor();
    expect(errors.filter((error) => !CUT.test(error))).toEqual([]);
  });

  test('where it cannot go on it begins anew: with what the service has now, even if that is older', async () => {
    await stockedStore();
    const other = await createTestDatabase();
    try {
      for (let times = 0; times < 3; times++) await service.move(store, 'A', 1);
      const { page, errors } = await openPage('A');
      await state(page, 'Live');
      await waitForOnHand(page, '103');
      await service.sell(store, 'A', 1);
      await feedOf(page).filter({ hasText: '102 on hand' }).waitFor();
      await service.stop();
      await service.startAgain(other.url);
      await service.move(store, 'A', 7);
      await waitForOnHand(page, '7');
      await waitForRow(page, 'A', '7');
      await state(page, 'Live');
      await service.sell(store, 'A', 1);
      expect(await feedTells(page, 1)).toEqual(['6']);
      await historyOf(page).filter({ hasText: '6 on hand' }).waitFor();
      expect(await historyOf(page).count()).toBe(2);
      expect(await row(page, 'B').count()).toBe(0);
      expect(errors.filter((error) => !CUT.test(error))).toEqual([]);
    } finally {
      await service.stop();
      await service.startAgain(database.url);
      await other.drop();
    }
  });

  test('there is one stream, of the store that is shown, and none while nobody looks', async () => {
    await stockedStore();
    const { page, watches, ended } = await openPage('', { viewport: { width: 360, height: 740 } });
    await page.clock.install();
    await page.reload();
    await state(page, 'Live');
    const [before, endedBefore] = [watches.length, ended.length];
    const hide = (hidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));`);
    await hide(true);
    for (const left of ['99', '98']) {
      await page.clock.runFor(12_000);
      // Else the stream would be taken for dead: its signs of life keep to another clock.
      await service.sell(store, 'A', 1);
      await feedOf(page)
        .filter({ hasText: `${left} on hand` })
        .waitFor();
    }
    expect(ended.length).toBe(endedBefore);
    await page.clock.runFor(12_000);
    await state(page, 'Paused');
    expect(await poll(() => ended.length > endedBefore || undefined, 10_000)).toBe(true);
    await service.sell(store, 'A', 1);
    await hide(false);
    await feedOf(page).filter({ hasText: '97 on hand' }).waitFor();
    expect(watches.length).toBe(before + 1);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await keepScreenshot(page, 'live-narrow');
    await page.getByRole('link', { name: 'Onhand' }).click();
    expect(await poll(() => ended.length === endedBefore + 2 || undefined, 10_000)).toBe(true);
    expect(await page.locator('[aria-live=polite]').count()).toBe(0);
  });

  test.each([
    ['no-preference', 'flash'],
    ['reduce', 'none'],
  ] as const)('what changes lights up, where motion is wanted (%s)', async (reducedMotion, animation) => {
    await stockedStore();
    const { page } = await openPage('A', { reducedMotion });
    await state(page, 'Live');
    await waitForOnHand(page, '100');
    expect(await page.locator('.flash').count()).toBe(0);
    await service.sell(store, 'A', 1);
    for (const place of ['.panel', '.list', '.feed']) {
      await page.locator(`${place} .flash`).waitFor();
      const style = `getComputedStyle(document.querySelector('${place} .flash'))`;
      expect(await page.evaluate(`${style}.animationName`)).toBe(animation);
    }
  });
});
