import { expect, test } from '@jest/globals';
import { InventoryError } from '../domain/errors.js';
import type { StockChange } from '../domain/types.js';
import { changeOf } from './sample-change.js';
import type { Position } from './tail.js';
import { Watcher } from './watcher.js';

const positionAt = (last: number): Position => ({
  cursor: { database: 'd', timeline: 1n, synchronous: false, last: BigInt(last), running: [] },
  beat: BigInt(last),
  watermarkUs: last,
  watermarkMs: last,
  sentMs: 0,
});

/** A watcher, and the feed that it follows: each step of the feed puts in some changes. */
class Followed {
  #last = 0;
  readonly watcher = new Watcher({ storeId: 'S', productIds: [] }, positionAt(0), () =>
    positionAt(this.#last),
  );

  step(...changes: StockChange[]): void {
    this.#last++;
    for (const change of changes) this.watcher.add(change);
    this.watcher.wake();
  }

  /** How many changes are taken, and where one could go on. */
  async take(): Promise<[changes: number, last: bigint]> {
    const { changes, mark } = await this.watcher.next();
    return [changes.length, mark.cursor.last];
  }

  page(...products: number[]) {
    const stocks = products.map((product) => ({
      ...{ storeId: 'S', productId: `P${product}`, net: 1, version: 1n, createTimeUs: 0, updateTimeUs: 0 },
    }));
    return { stocks, beat: BigInt(this.#last), end: undefined };
  }
}

const many = (count: number, version = 1) =>
  Array.from({ length: count }, (_, product) => changeOf(`P${product}`, version));

const stopping = () => new InventoryError('SHUTTING_DOWN', 'bye');

test('the cursor moves on only when everything before it has been taken', async () => {
  const followed = new Followed();
  followed.step(...many(700));
  expect(await followed.take()).toEqual([500, 0n]);
  followed.step(changeOf('P0', 2));
  expect(await followed.take()).toEqual([201, 2n]);
});

test('who waits is woken by a change', async () => {
  const followed = new Followed();
  const taken = followed.take();
  followed.step();
  followed.step(changeOf('P1', 1));
  expect(await taken).toEqual([1, 2n]);
});

test('a reader that is too slow is told to begin anew, and nothing more is kept for it', async () => {
  const followed = new Followed();
  followed.step(...many(4_000));
  followed.watcher.throwIfEnded();
  followed.step(changeOf('P4000', 1));
  expect(() => followed.watcher.throwIfEnded()).toThrow(
    'More changed than could be sent in time; watch without',
  );
  followed.step(changeOf('P4001', 1));
  expect(followed.watcher.takeNow()).toEqual([]);
  await expect(followed.take()).rejects.toMatchObject({ reason: 'RESYNC' });
});

test('so is one whose snapshot takes too long while everything changes', async () => {
  const followed = new Followed();
  followed.watcher.beginPage();
  followed.step(...many(4_001));
  await expect(followed.take()).rejects.toMatchObject({ reason: 'RESYNC' });
});

test('a quiet stream gives a sign of life after five seconds, with where the feed has come to', async () => {
  const followed = new Followed();
  let told = false;
  const taken = followed.take().finally(() => {
    told = true;
  });
  const beganMs = performance.now();
  followed.step();
  followed.watcher.tick(beganMs + 4_900);
  await new Promise(setImmediate);
  expect(told).toBe(false);
  followed.step();
  followed.watcher.tick(beganMs + 5_100);
  expect(await taken).toEqual([0, 2n]);
});

test('before the end what waits is given, and at last where to go on: where the feed stood at the end', async () => {
  const followed = new Followed();
  followed.step(...many(700));
  followed.watcher.endAfterRest(stopping());
  followed.step();
  expect(await followed.take()).toEqual([500, 0n]);
  expect(await followed.take()).toEqual([200, 1n]);
  await expect(followed.take()).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' });
});

test('the first end holds', async () => {
  const followed = new Followed();
  followed.step(...many(5_000));
  followed.watcher.endAfterRest(stopping());
  await expect(followed.take()).rejects.toMatchObject({ reason: 'RESYNC' });
});

test('after the last page the cursor is at the start while changes of the snapshot wait, else at now', () => {
  const quiet = new Followed();
  quiet.watcher.beginPage();
  quiet.step();
  expect(quiet.watcher.endPage(quiet.page(1))).toMatchObject({ cursor: { last: 1n } });

  const busy = new Followed();
  busy.watcher.beginPage();
  busy.step(changeOf('P1', 2), changeOf('P2', 1));
  expect(busy.watcher.endPage(busy.page(1))).toMatchObject({ cursor: { last: 0n } });
  expect(busy.watcher.takeNow().map(({ change }) => change.productId)).toEqual(['P1', 'P2']);
});
