import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Cluster } from '../postgres/cluster.js';
import { DatabaseReads } from './database-reads.js';
import type { ReadObserver, Source } from './freshness.js';
import { LocalCache } from './local-cache.js';
import { ReadPath } from './read-path.js';
import {
  byDefault,
  HeldReads,
  NO_READ_OBSERVER,
  openTestCluster,
  StartedReads,
  strongly,
  until,
} from './started-reads.js';
import { StockCaches } from './stock-caches.js';

const NOWHERE = 'postgresql://postgres@127.0.0.1:1/nowhere';
const KEY = { storeId: 'STORE_OLD', productId: 'P' };
const STOCK = { ...KEY, net: 3, version: 1n, createTimeUs: 1, updateTimeUs: 1 };
const AGE_MS = 7_000;
const OTHER = { ...STOCK, productId: 'OTHER', net: 4 };
const UNKNOWN = { ...KEY, productId: 'UNKNOWN' };
const FROM_MEMORY = { source: 'LOCAL_CACHE', cached: true, stale: true };
const OLD = { ...FROM_MEMORY, stock: STOCK };
const OLD_BOTH = { ...FROM_MEMORY, stocks: [STOCK, OTHER], missing: [] };

let started: StartedReads;
let held: HeldReads;

beforeAll(async () => {
  started = await StartedReads.start();
  await started.restock(KEY, 8);
  held = new HeldReads(started.cluster, NO_READ_OBSERVER);
});
afterEach(() => held.release());
afterAll(() => started.stop());

/** Reads with copies of two stocks in memory that nothing has kept current for 7 s. */
function readsWithOldCopies(database: DatabaseReads, observer: ReadObserver = NO_READ_OBSERVER): ReadPath {
  const local = new LocalCache(10);
  const cursor = { database: 'db', timeline: 1n, synchronous: false, last: 0n, running: [] };
  const sentMs = performance.now();
  const beat = 2n ** 32n;
  local.restarted({ cursor, beat, watermarkUs: 0, watermarkMs: sentMs - AGE_MS, sentMs });
  for (const stock of [STOCK, OTHER]) local.offer({ stock, asOf: beat + 2n });
  return new ReadPath(database, new StockCaches(local, undefined), observer);
}

test('who joins a read and has less time than the one who began it is answered from memory in that time', async () => {
  const reads = readsWithOldCopies(held);
  const early = reads.get(KEY, 0n, byDefault());
  await until(async () => held.held === 1);
  const late = await reads.get(KEY, 0n, { strong: false, deadlineMs: performance.now() + 100 });
  expect(late).toMatchObject(OLD);
  expect(late.maxAgeMs).toBeGreaterThanOrEqual(AGE_MS);
  held.release();
  expect(await early).toMatchObject({ cached: false, stock: { net: 8 } });
});

test('a database that does not answer for a second is waited for no longer where there are old copies', async () => {
  const reads = readsWithOldCopies(held);
  const patient = { strong: false, deadlineMs: performance.now() + 60_000 };
  expect(await reads.get(KEY, 0n, patient)).toMatchObject(OLD);
  const several = await reads.batchGet([KEY, OTHER], patient);
  expect(several).toMatchObject(OLD_BOTH);
  expect(several.maxAgeMs).toBeGreaterThanOrEqual(AGE_MS);
});

test('several stocks are waited for where there is no old copy of one of them', async () => {
  const reads = readsWithOldCopies(held);
  const several = reads.batchGet([KEY, UNKNOWN], byDefault());
  await until(async () => held.held === 1);
  held.release();
  expect(await several).toMatchObject({ cached: false, stocks: [{ net: 8 }], missing: [UNKNOWN] });
});

test('a version that the old copy does not have is waited for', async () => {
  const reads = readsWithOldCopies(held);
  const newer = reads.get({ ...KEY }, await started.restock(KEY, 1), byDefault());
  await until(async () => held.held === 1);
  held.release();
  expect(await newer).toMatchObject({ cached: false, stock: { net: 9 } });
});

test('where every server is silent none is asked, unless it has to be', async () => {
  const asked: string[] = [];
  const observer = { ...NO_READ_OBSERVER, fellBack: (node: string) => void asked.push(node) };
  const alone: Cluster = await openTestCluster(NOWHERE, [NOWHERE]);
  try {
    const reads = readsWithOldCopies(new HeldReads(alone, observer));
    expect(await reads.get(KEY, 0n, byDefault())).toMatchObject(OLD);
    expect(await reads.batchGet([OTHER, KEY], byDefault())).toMatchObject({ stocks: [OTHER, STOCK] });
    expect(asked).toEqual([]);
    const unavailable = { reason: 'DATABASE_UNAVAILABLE' };
    await expect(reads.get(KEY, 2n, byDefault())).rejects.toMatchObject(unavailable);
    await expect(reads.get(KEY, 0n, strongly())).rejects.toMatchObject(unavailable);
    await expect(reads.batchGet([KEY], strongly())).rejects.toMatchObject(unavailable);
    await expect(reads.batchGet([KEY, UNKNOWN], byDefault())).rejects.toMatchObject(unavailable);
    expect(asked).not.toEqual([]);
  } finally {
    await alone.close();
  }
});

test('a read counts once, as what it was answered out of', async () => {
  const counted: Source[] = [];
  const observer = { ...NO_READ_OBSERVER, answered: (source: Source) => void counted.push(source) };
  // It knows of no beat: what it reads is of unknown age, and the old copy is the better one.
  const alone = await openTestCluster(NOWHERE, [started.database.replicaUrl]);
  try {
    const reads = readsWithOldCopies(new DatabaseReads(alone, observer), observer);
    expect(await reads.get(KEY, 0n, byDefault())).toMatchObject({ source: 'LOCAL_CACHE', stale: true });
    const unknown = async () => await reads.get(UNKNOWN, 0n, byDefault());
    await expect(unknown()).rejects.toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    expect(await reads.batchGet([KEY], byDefault())).toMatchObject({ source: 'LOCAL_CACHE', stale: true });
    const withUnknown = await reads.batchGet([KEY, UNKNOWN], byDefault());
    expect(withUnknown).toMatchObject({ source: 'REPLICA', stale: true, missing: [UNKNOWN] });
    await reads.database.list({ storeId: KEY.storeId }, { after: undefined, size: 1 }, byDefault());
    expect(counted).toEqual(['LOCAL_CACHE', 'REPLICA', 'LOCAL_CACHE', 'REPLICA', 'REPLICA']);
  } finally {
    await alone.close();
  }
});
