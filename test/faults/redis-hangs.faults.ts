import { afterEach, expect, test } from '@jest/globals';
import { Callers } from '../../src/api/callers.js';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { findProgram, REDIS } from '../../src/dev/optional-programs.js';
import { Source } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { monotonicMs } from '../load/journal.js';
import { type LoadPlan, productIds, storeIds } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import type { ServiceProcess } from '../service-process.js';
import { until } from '../until.js';
import { expectInTime, note } from './findings.js';
import { Stage } from './stage.js';

const STOCKS: LoadPlan['stocks'] = { storePrefix: 'store', stores: 1, products: 50 };
const READERS = 8;
const PATIENCE_MS = 15_000;

interface Read {
  readonly startedMs: number;
  readonly tookMs: number;
  readonly source: Source | undefined;
}

/** Reads all the time, of stocks that the process does not keep in memory. */
class Readers {
  readonly reads: Read[] = [];
  #stopped = false;
  readonly #running: Promise<unknown>;

  constructor(callers: Callers) {
    const [storeId] = storeIds(STOCKS);
    const products = productIds(STOCKS);
    const read = async (reader: number) => {
      for (let index = reader; !this.#stopped; index++) {
        const productId = products[index % products.length];
        const startedMs = monotonicMs();
        const { source } = await callers.overGrpc('Get', {
          ...{ storeId, productId, consistency: 0, minVersion: 0n },
        });
        this.reads.push({
          startedMs,
          tookMs: monotonicMs() - startedMs,
          source: source as Source | undefined,
        });
      }
    };
    this.#running = Promise.all(Array.from({ length: READERS }, (_, reader) => read(reader)));
  }

  since(ms: number): Read[] {
    return this.reads.filter(({ startedMs }) => startedMs >= ms);
  }

  async untilFrom(source: (source: Source | undefined) => boolean): Promise<void> {
    const fromThere = async () => {
      const last = this.reads.slice(-100);
      return last.length === 100 && last.every((read) => source(read.source));
    };
    await until(fromThere, 'reads do not come from there', PATIENCE_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

const stage = new Stage();

afterEach(() => stage.clear());

async function stateOf({ metricsUrl }: ServiceProcess, breaker: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  return Number(new RegExp(`onhand_breaker_state\\{breaker="${breaker}"\\} (\\d)`).exec(text)?.[1]);
}

describeNeeding(REDIS, 'Redis that hangs', () => {
  test('is left out within 1 s, costs no read, and is asked again when it answers', async () => {
    await expectInTime(async () => {
      const redis = await stage.redis(findProgram(REDIS)!);
      const { url: databaseUrl } = await stage.database();
      await openStocks(databaseUrl, STOCKS, 100);
      const environment = { ONHAND_LOCAL_CACHE_ENTRIES: '0' };
      const service = await stage.service({ databaseUrl, redisUrl: redis.url, environment });
      const callers = stage.keep(new Callers(service.grpcAddress, service.httpUrl), async ({ grpc }) =>
        grpc.close(),
      );
      const readers = stage.keep(new Readers(callers), (one) => one.stop());
      await readers.untilFrom((source) => source === Source.SHARED_CACHE);
      const hungMs = monotonicMs();
      stage.keep(redis, async (one) => one.signal('SIGCONT'));
      redis.signal('SIGSTOP');
      await until(async () => (await stateOf(service, 'redis_reads')) === 2, 'it does not open', PATIENCE_MS);
      const openedMs = monotonicMs() - hungMs;
      await readers.untilFrom((source) => source === Source.PRIMARY);
      // Half-open tries cost single reads their 50 ms; all others go on.
      redis.signal('SIGCONT');
      await readers.untilFrom((source) => source === Source.SHARED_CACHE);
      const during = readers.since(hungMs);
      await readers.stop();
      expect(during.length).toBeGreaterThan(200);
      expect(during.filter(({ source }) => source === undefined)).toEqual([]);
      const slowestMs = Math.max(...during.map(({ tookMs }) => tookMs));
      const text = `open after ${openedMs.toFixed(0)} ms; ${during.length} reads meanwhile, none failed, the slowest took ${slowestMs.toFixed(0)} ms`;
      note(text);
      await stage.expectServicesAlive();
      await stage.clear();
      return [{ what: text, kept: openedMs <= 1_000 && slowestMs < 500 }];
    });
  }, 180_000);
});
