import { create } from '@bufbuild/protobuf';
import { timestampNow } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, expect, test } from '@jest/globals';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  StockChangeSchema,
  StockSchema,
  type WatchResponse,
  WatchResponseSchema,
} from '../contract.js';
import { KEPT_CHANGES, LiveStore, type LiveView } from './live-store.js';
import { NewestStocks } from './newest-stocks.js';

const stockOf = (productId: string, version: number) =>
  create(StockSchema, { storeId: 'S', productId, version: BigInt(version), quantity: 100 - version });
const changeOf = (productId: string, version: number) =>
  create(StockChangeSchema, { stock: stockOf(productId, version), eventId: `${productId} ${version}` });

type Stocks = WatchResponse['stocks'];
type Changes = WatchResponse['changes'];

const part = (...stocks: Stocks) => create(WatchResponseSchema, { stocks });
const snapshot = (cursor: string, ...stocks: Stocks) =>
  create(WatchResponseSchema, { cursor, stocks, snapshotComplete: true });
const changes = (cursor: string, ...list: Changes) => create(WatchResponseSchema, { cursor, changes: list });
const current = (cursor: string) => create(WatchResponseSchema, { cursor, watermark: timestampNow() });

const refusal = (reason: string, code: Code, field?: string) =>
  new ConnectError('no', code, undefined, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason, metadata: {} }) },
    ...(field === undefined
      ? []
      : [{ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations: [{ field }] }) }]),
  ]);
const CUT = new ConnectError('late', Code.DeadlineExceeded);

/** What one stream gives: messages, and how it ends, if it does. */
type Script = readonly (WatchResponse | Error | 'end')[];

const pages: LiveStore[] = [];
afterEach(() => {
  for (const page of pages.splice(0)) page.pause();
});

/** A page in front of a service whose streams give this, one after the other. */
function pageWith(...scripts: Script[]) {
  const cursors: string[] = [];
  const views: LiveView[] = [];
  const waits: number[] = [];
  let [resting, left] = [0, 0];
  async function* open(cursor: string, signal: AbortSignal) {
    cursors.push(cursor);
    for (const next of scripts.shift() ?? []) {
      if (next instanceof Error) throw next;
      if (next === 'end') return;
      yield next;
    }
    resting++;
    await new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        left++;
        reject(new ConnectError('left', Code.Canceled));
      });
    });
  }
  const stocks = new NewestStocks(() => undefined);
  const live = new LiveStore({
    open,
    wait: async (ms) => waits.push(ms),
    note: stocks.noteAll,
    forget: stocks.forget,
    changed: (view) => views.push(view),
    silenceMs: 200,
  });
  pages.push(live);
  return {
    ...{ live, stocks, cursors, waits, left: () => left },
    /** The states, each as often as it began. */
    states: () =>
      views.map(({ connection }) => connection).filter((each, index, all) => each !== all[index - 1]),
    feed: () => views.at(-1)!.changes.map(({ eventId }) => eventId),
    /** Starts, and waits until everything was given and a stream stays open, or all is over. */
    async run() {
      const before = resting;
      live.start();
      const isOver = () => views.at(-1)?.connection === 'off' || (scripts.length === 0 && resting > before);
      for (let turns = 0; !isOver(); turns++) {
        if (turns > 2_000) throw new Error('It does not come to rest');
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  };
}

test('the stocks as they are, then each change: the newest of each stock, the newest changes first', async () => {
  const page = pageWith([
    part(stockOf('A', 5)),
    changes('', changeOf('A', 6)),
    snapshot('1', stockOf('B', 1)),
    changes('2', changeOf('A', 7), changeOf('B', 2)),
  ]);
  await page.run();
  expect(page.states()).toEqual(['catching-up', 'live']);
  expect(page.feed()).toEqual(['B 2', 'A 7', 'A 6']);
  expect([page.stocks.versionOf('S', 'A'), page.stocks.of(stockOf('A', 1)).quantity]).toEqual([7n, 93]);
});

test('after a cut it goes on from the newest cursor, and passes over what comes again', async () => {
  const page = pageWith(
    [snapshot('1', stockOf('A', 1)), changes('2', changeOf('A', 2), changeOf('A', 3)), CUT],
    [refusal('DATABASE_UNAVAILABLE', Code.Unavailable)],
    ['end'],
    [changes('2', changeOf('A', 2), changeOf('A', 3), changeOf('A', 4)), current('3')],
  );
  await page.run();
  expect(page.cursors).toEqual(['', '2', '2', '2']);
  expect(page.states()).toEqual(['catching-up', 'live', 'reconnecting', 'catching-up', 'live']);
  expect(page.feed()).toEqual(['A 4', 'A 3', 'A 2']);
});

test('it waits longer from try to try, until something comes', async () => {
  const fail = [CUT];
  const page = pageWith(...Array.from({ length: 8 }, () => fail), [snapshot('1'), CUT], []);
  await page.run();
  const [first, , , fourth, , , , eighth, afterMessage] = page.waits;
  expect(first).toBeLessThanOrEqual(250);
  expect(fourth).toBeGreaterThanOrEqual(1_000);
  expect(eighth).toBeGreaterThanOrEqual(4_000);
  expect(eighth).toBeLessThanOrEqual(8_000);
  expect(afterMessage).toBeLessThanOrEqual(250);
});

test.each([
  ['RESYNC', refusal('RESYNC', Code.OutOfRange)],
  ['a cursor of another version', refusal('INVALID_FIELD', Code.InvalidArgument, 'cursor')],
])('%s: it begins anew, with the stocks as they are and no changes from before', async (_name, error) => {
  const page = pageWith(
    [snapshot('1', stockOf('A', 8)), changes('2', changeOf('A', 9)), CUT],
    [error],
    [snapshot('9', stockOf('A', 1)), changes('10', changeOf('A', 2))],
  );
  await page.run();
  expect(page.cursors).toEqual(['', '2', '']);
  expect(page.feed()).toEqual(['A 2']);
  expect(page.stocks.versionOf('S', 'A')).toBe(2n);
  expect(page.stocks.generation).toBe(1);
});

test.each([
  ['UNIMPLEMENTED', Code.Unimplemented],
  ['INVALID_FIELD', Code.InvalidArgument],
  ['PERMISSION_DENIED', Code.PermissionDenied],
])('%s ends it', async (reason, code) => {
  const page = pageWith([refusal(reason, code)]);
  await page.run();
  expect(page.states()).toEqual(['catching-up', 'off']);
  expect(page.cursors).toEqual(['']);
});

test('a stream that has fallen silent is left for another one', async () => {
  const page = pageWith([snapshot('1')], [current('2')]);
  await page.run();
  expect(page.cursors.slice(0, 2)).toEqual(['', '1']);
  expect(page.left()).toBeGreaterThanOrEqual(1);
  expect(page.states().slice(0, 4)).toEqual(['catching-up', 'live', 'reconnecting', 'live']);
});

test('a pause closes the stream, and what follows goes on where it was', async () => {
  const page = pageWith([snapshot('1'), changes('2', changeOf('A', 1))]);
  await page.run();
  page.live.pause();
  await page.run();
  expect([page.left(), page.cursors]).toEqual([1, ['', '2']]);
  expect(page.states()).toEqual(['catching-up', 'live', 'paused', 'catching-up']);
  expect(page.feed()).toEqual(['A 1']);
});

test('the feed keeps the newest changes only', async () => {
  const versions = Array.from({ length: KEPT_CHANGES + 30 }, (_, index) => index + 1);
  const page = pageWith([snapshot('1'), ...versions.map((version) => changes('2', changeOf('A', version)))]);
  await page.run();
  expect(page.feed()).toHaveLength(KEPT_CHANGES);
  expect(page.feed()[0]).toBe(`A ${KEPT_CHANGES + 30}`);
});
