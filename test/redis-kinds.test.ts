import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { Callers } from '../src/api/callers.js';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { findProgram, REDIS } from '../src/dev/optional-programs.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { Source } from '../src/gen/grpc/inventory/v1/inventory.js';
import { type RedisGroup, startRedisCluster, startSentinel } from './redis-groups.js';
import { type ServiceProcess, startService } from './service-process.js';
import { until } from './until.js';

jest.setTimeout(120_000);

const STOCKS = Array.from({ length: 60 }, (_, n) => ({ storeId: 'S', productId: `P${n}` }));
const PATIENCE_MS = 20_000;

/** A service of the test's own, and calls of it. */
class Running {
  private constructor(
    private readonly service: ServiceProcess,
    private readonly callers: Callers,
  ) {}

  static async start(databaseUrl: string, redisUrl: string): Promise<Running> {
    // Nothing in memory: each read shows what Redis has.
    const environment = { ONHAND_LOCAL_CACHE_ENTRIES: '0' };
    const service = await startService({ databaseUrl, redisUrl, environment });
    return new Running(service, new Callers(service.grpcAddress, service.httpUrl));
  }

  async stop(): Promise<void> {
    this.callers.grpc.close();
    await this.service.stop();
  }

  restock(key: object): Promise<{ stock: { version: bigint } }> {
    return this.callers.overGrpc('Restock', { ...key, quantity: 5, eventId: '', metadata: {} }) as never;
  }

  async sources(): Promise<Source[]> {
    const get = (key: object) => this.callers.overGrpc('Get', { ...key, consistency: 0, minVersion: 0n });
    return (await Promise.all(STOCKS.map(get))).map(({ source }) => source as Source);
  }

  async metric(line: RegExp): Promise<number> {
    const text = await (await fetch(this.service.metricsUrl)).text();
    return Number(line.exec(text)?.[1] ?? 0);
  }
}

describeNeeding(REDIS, 'processes share their caches through', () => {
  let database: TestDatabase;
  let group: RedisGroup | undefined;
  let services: Running[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
  });

  afterAll(async () => {
    for (const service of services) await service.stop();
    await group?.stop();
    await database?.drop();
  });

  const begin = async (start: (program: string) => Promise<RedisGroup>) => {
    for (const service of services) await service.stop();
    await group?.stop();
    group = await start(findProgram(REDIS)!);
    services = [await Running.start(database.url, group.url), await Running.start(database.url, group.url)];
    return { group, writing: services[0]!, reading: services[1]! };
  };

  /** What one writes, the other reads out of Redis, and hears of at once. */
  const expectShared = async (writing: Running, reading: Running) => {
    const shared = async () => {
      await Promise.all(STOCKS.map((key) => writing.restock(key)));
      return (await reading.sources()).every((source) => source === Source.SHARED_CACHE);
    };
    await until(shared, 'the reads do not come from Redis', PATIENCE_MS);
    const heard = () => reading.metric(/onhand_feed_hints_total\{direction="received"\} (\d+)/);
    await until(async () => (await heard()) > 0, 'no hint comes', PATIENCE_MS);
  };

  test('a Redis Cluster of three masters, also when it has lost all that it held', async () => {
    const { group, writing, reading } = await begin(startRedisCluster);
    await expectShared(writing, reading);
    const clients = group.servers.map(({ url }) => new Redis(url));
    const counts = await Promise.all(clients.map((redis) => redis.dbsize()));
    expect(counts.every((keys) => keys > 0)).toBe(true);
    expect(counts.reduce((sum, keys) => sum + keys)).toBe(STOCKS.length);
    for (const redis of clients) {
      await redis.flushall();
      redis.disconnect();
    }
    expect((await reading.sources()).every((source) => source >= Source.SHARED_CACHE)).toBe(true);
    await until(
      async () => (await writing.sources()).every((source) => source === Source.SHARED_CACHE),
      'reads do not fill Redis again',
      PATIENCE_MS,
    );
  });

  test('a Redis that a Sentinel names', async () => {
    const { writing, reading } = await begin(startSentinel);
    await expectShared(writing, reading);
  });
});
