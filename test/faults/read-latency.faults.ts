import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import { quantile } from '../../bench/statistics.js';
import { Callers } from '../../src/api/callers.js';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { findProgram, REDIS } from '../../src/dev/optional-programs.js';
import { type Source, Source as Sources } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { monotonicMs } from '../load/journal.js';
import { type LoadPlan, productIds, storeIds } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { until } from '../until.js';
import { expectInTime, note } from './findings.js';
import { Stage } from './stage.js';

const SALES = 400;
/** Between two sales: not in step with the polls. */
const PAUSE_MS = 7;
const STOCKS: LoadPlan['stocks'] = { storePrefix: 'store', stores: 1, products: 20 };
const PATIENCE_MS = 10_000;

interface Read {
  readonly source: Source;
  readonly stock: { readonly version: bigint };
}

const stage = new Stage();

afterEach(() => stage.clear());

/** A process that sells, and another one that has every stock in its memory. */
async function twoProcesses(redisUrl: string | undefined) {
  const { url: databaseUrl } = await stage.database();
  await openStocks(databaseUrl, STOCKS, 100_000);
  const options = { databaseUrl, ...(redisUrl === undefined ? {} : { redisUrl }) };
  const [selling, reading] = await Promise.all(
    [1, 2].map(async () => {
      const { grpcAddress, httpUrl } = await stage.service(options);
      return stage.keep(new Callers(grpcAddress, httpUrl), async ({ grpc }) => grpc.close());
    }),
  );
  const [storeId = ''] = storeIds(STOCKS);
  const sell = (productId: string) =>
    selling!.overGrpc('Sell', { storeId, productId, quantity: 1, eventId: randomUUID(), metadata: {} });
  const read = async (productId: string): Promise<Read> =>
    (await reading!.overGrpc('Get', {
      ...{ storeId, productId, consistency: 0, minVersion: 0n },
    })) as unknown as Read;
  const fromMemory = async () => {
    const reads = await Promise.all(productIds(STOCKS).map(read));
    return reads.every(({ source }) => source === Sources.LOCAL_CACHE);
  };
  await until(fromMemory, 'the stocks do not come from memory', PATIENCE_MS);
  return { sell: async (productId: string) => (await sell(productId)) as unknown as Read, read };
}

/** From each sale's acknowledgement to the start of the first read through another process that shows it, ascending. */
async function measure(redisUrl: string | undefined): Promise<Float64Array> {
  const { sell, read } = await twoProcesses(redisUrl);
  const products = productIds(STOCKS);
  const sources = new Set<Source>();
  const delaysMs: number[] = [];
  for (let index = 0; index < SALES; index++) {
    const productId = products[index % products.length]!;
    const { stock } = await sell(productId);
    const acknowledgedMs = monotonicMs();
    for (;;) {
      const startedMs = monotonicMs();
      const seen = await read(productId);
      sources.add(seen.source);
      if (seen.stock.version < stock.version) continue;
      delaysMs.push(startedMs - acknowledgedMs);
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  expect([...sources]).toEqual([Sources.LOCAL_CACHE]);
  await stage.expectServicesAlive();
  return Float64Array.from(delaysMs).sort();
}

async function expectWithin(limitMs: number, redisUrl: string | undefined): Promise<void> {
  await expectInTime(async () => {
    const delaysMs = await measure(redisUrl);
    const [p50, p99] = [0.5, 0.99].map((share) => quantile(delaysMs, share).toFixed(1));
    const what = `${redisUrl === undefined ? 'without' : 'with'} Redis: p50 ${p50} ms, p99 ${p99} ms`;
    note(what);
    return [{ what, kept: Number(p99) < limitMs }];
  });
}

describeNeeding(REDIS, 'with Redis', () => {
  test('a sale through one process is in a default read of another in p99 < 100 ms', async () => {
    const redis = await stage.redis(findProgram(REDIS)!);
    await expectWithin(100, redis.url);
  }, 180_000);
});

test('without Redis a sale is in a default read of another process in p99 < 400 ms', async () => {
  await expectWithin(400, undefined);
}, 180_000);
