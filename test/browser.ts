import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { CHROMIUM } from '../src/dev/optional-programs.js';
import { projectRoot } from '../src/project-root.js';

/** Nothing but loopback: a browser that is alone with the service. `--no-sandbox` because root may not have one. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

const PATIENCE_MS = 15_000;

/** Starts the browser of this machine, with a profile of its own that is removed at the end. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env[CHROMIUM.givenIn]!, args: FLAGS });
}

/** A tab, and what its console has told as an error. */
export interface Tab {
  readonly page: Page;
  readonly errors: string[];
}

/** Opens a tab that shares nothing with others. */
export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 820 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  return { page, errors };
}

/** Keeps what the page looks like, for people: in test-results, which is not committed. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = join(projectRoot(), 'test-results');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** What the page does wrong for those who see little, or hear it, or have no mouse. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}
