import type { StockKey, StockRow } from '../src/domain/types.js';
import type { Position } from '../src/feed/tail.js';
import { firstBeatOf } from '../src/postgres/beat-clock.js';
import type { DatabaseReads } from '../src/reads/database-reads.js';
import { LocalCache } from '../src/reads/local-cache.js';
import { ReadPath, type StockAnswer } from '../src/reads/read-path.js';
import { StockCaches } from '../src/reads/stock-caches.js';
import type { ReadMetrics } from '../src/telemetry/metrics.js';
import { allStocks } from './stocks.js';

const TIMELINE = 1n;
const FIRST_BEAT = firstBeatOf(TIMELINE);
const TIME_US = 1_780_000_000_123_456;
const POLL_MS = 100;

/** Reads whose local cache holds every stock and is kept fresh, and that have no database to ask. */
export function memoryReads(observer: ReadMetrics): ReadPath {
  const local = new LocalCache(200_000);
  local.restarted(now());
  for (const key of allStocks()) local.offer({ stock: stockOf(key), asOf: FIRST_BEAT + 2n });
  setInterval(() => local.advanced(now(), []), POLL_MS);
  return new ReadPath({} as DatabaseReads, new StockCaches(local, undefined), observer);
}

const now = (): Position => ({
  cursor: { database: 'bench', timeline: TIMELINE, synchronous: false, last: 0n, running: [] },
  ...{ beat: FIRST_BEAT, watermarkUs: Date.now() * 1000, watermarkMs: performance.now(), sentMs: 0 },
});

const stockOf = ({ storeId, productId }: StockKey): StockRow => ({
  storeId,
  productId,
  net: 100,
  version: 1n,
  createTimeUs: TIME_US,
  updateTimeUs: TIME_US,
});

/** The reads as a stub, for what is above them: any stock, at once, without what a cache costs. */
export function stubReads(): ReadPath {
  const get = (key: StockKey): StockAnswer => ({
    stock: stockOf(key),
    source: 'LOCAL_CACHE',
    cached: true,
    maxAgeMs: 12,
    stale: false,
  });
  return { get } as unknown as ReadPath;
}
