import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { describeNeeding } from '../dev/describe-needing.js';
import { REDIS } from '../dev/optional-programs.js';
import { poll } from '../dev/poll.js';
import type { StockCopy, StockKey } from '../domain/types.js';
import type { Cursor } from '../feed/cursor.js';
import type { BreakerState } from '../redis/breaker.js';
import { SharedCache } from './shared-cache.js';

const AS_OF = 2n ** 32n + 100n;

const copy = (version: bigint, asOf = AS_OF, productId = 'P "1"'): StockCopy => ({
  stock: { storeId: 'S', productId, net: -3, version, createTimeUs: 1_700_000_000_000_000, updateTimeUs: 2 },
  asOf,
});
const KEY = { storeId: 'S', productId: 'P "1"' };

const caches: SharedCache[] = [];

class Started {
  readonly outcomes = new Map<string, number>();
  readonly states: [string, BreakerState][] = [];
  readonly cache: SharedCache;

  constructor(url: string) {
    this.cache = new SharedCache(url, {
      shared: (outcome, copies) => this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + copies),
      breaker: (name, state) => this.states.push([name, state]),
    });
    caches.push(this.cache);
  }

  follow(database: string, timeline = 1n): this {
    this.cache.follow({ database, timeline } as Cursor);
    return this;
  }

  /** What Redis has; asked again where it did not answer within its 50 ms, since the machine may be busy. */
  async read(key: StockKey): Promise<StockCopy | undefined> {
    const answers = () => (this.outcomes.get('hit') ?? 0) + (this.outcomes.get('miss') ?? 0);
    const before = answers();
    const read = await poll(async () => {
      const found = await this.cache.read(key);
      return answers() > before ? { found } : undefined;
    }, 10_000);
    expect(read).toBeDefined();
    return read?.found;
  }

  /** Puts in, again where Redis did not answer in time. */
  async write(...copies: StockCopy[]): Promise<void> {
    const written = () => this.outcomes.get('written') ?? 0;
    const before = written();
    const done = await poll(async () => {
      const failed = this.outcomes.get('failed') ?? 0;
      this.cache.write(copies);
      const ended = () => written() >= before + copies.length || (this.outcomes.get('failed') ?? 0) > failed;
      await poll(async () => ended() || undefined, 1_000);
      return written() > before || undefined;
    }, 10_000);
    expect(done).toBe(true);
  }

  /** Waits until there is a connection. */
  async connected(): Promise<this> {
    await this.write(copy(1n, 1n, 'HELLO'));
    return this;
  }
}

afterEach(() => {
  for (const cache of caches.splice(0)) cache.stop();
});

describeNeeding(REDIS, 'the shared cache', () => {
  const url = process.env[REDIS.givenIn] ?? '';
  let database: string;
  let one: Started;
  let redis: Redis;
  let count = 0;

  beforeEach(async () => {
    database = `shared-${process.pid}-${count++}`;
    one = await new Started(url).follow(database).connected();
    one.outcomes.clear();
    redis = new Redis(url);
  });

  afterEach(() => {
    redis.disconnect();
  });

  const redisKey = () => `onhand:stock:${database}:1:S\0P "1"`;
  const write = (...copies: StockCopy[]) => one.write(...copies);

  test('gives another process what was put in, whole', async () => {
    await write(copy(7n));
    const other = await new Started(url).follow(database).connected();
    expect(await other.read(KEY)).toEqual(copy(7n));
    expect(await other.read({ ...KEY, storeId: 'OTHER' })).toBeUndefined();
    expect(Object.fromEntries(other.outcomes)).toMatchObject({ hit: 1, miss: 1 });
  });

  test('keeps the newer of two, whichever comes last; of one version the one as of later', async () => {
    await write(copy(7n));
    await write(copy(6n, AS_OF + 50n));
    expect(await one.read(KEY)).toEqual(copy(7n));
    await write(copy(7n, AS_OF - 50n));
    expect(await one.read(KEY)).toEqual(copy(7n));
    await write(copy(7n, AS_OF + 1n));
    expect(await one.read(KEY)).toEqual(copy(7n, AS_OF + 1n));
    await write(copy(9n, 2n), copy(8n, AS_OF + 9n));
    expect(await one.read(KEY)).toEqual(copy(9n, 2n));
  });

  test('lets a copy live for 300 s, more or less, and that there is none for 2 s', async () => {
    await write(copy(0n));
    expect(await one.read(KEY)).toMatchObject({ stock: { version: 0n } });
    expect(await redis.pttl(redisKey())).toBeLessThanOrEqual(2_000);
    const many = Array.from({ length: 50 }, (_, n) => copy(1n, AS_OF, `P${n}`));
    await write(...many);
    const lives = await Promise.all(
      many.map(({ stock }) => redis.pttl(`onhand:stock:${database}:1:S\0${stock.productId}`)),
    );
    expect(Math.min(...lives)).toBeGreaterThan(265_000);
    expect(Math.max(...lives)).toBeLessThanOrEqual(330_000);
    expect(new Set(lives.map((ms) => Math.round(ms / 1_000))).size).toBeGreaterThan(5);
  });

  test('takes what others have written there for nothing, and writes over it', async () => {
    for (const nonsense of [
      '',
      'what is this',
      '1 2',
      '1 2 3 4 5 6',
      '-1 2 3 4 5',
      '1e3 2 3 4 5',
      '9'.repeat(400),
    ]) {
      await redis.set(redisKey(), nonsense);
      expect(await one.read(KEY)).toBeUndefined();
      if (!/^\d+ \d+ /.test(nonsense)) {
        await write(copy(3n));
        expect(await one.read(KEY)).toEqual(copy(3n));
      }
    }
  });

  test('has nothing of another timeline or database', async () => {
    await write(copy(7n));
    one.follow(database, 2n);
    expect(await one.read(KEY)).toBeUndefined();
    one.follow(`${database}x`, 1n);
    expect(await one.read(KEY)).toBeUndefined();
  });

  test('asks for what is wanted in one turn with one command', async () => {
    await redis.config('RESETSTAT');
    const wanted = Array.from({ length: 100 }, (_, n) =>
      one.cache.read({ storeId: 'S', productId: `P${n}` }),
    );
    await Promise.all(wanted);
    const stats = await redis.info('commandstats');
    expect(Number(/cmdstat_mget:calls=(\d+)/.exec(stats)?.[1])).toBeLessThanOrEqual(5);
  });

  test('works again after Redis has lost its scripts', async () => {
    await write(copy(1n));
    await redis.script('FLUSH');
    await write(copy(2n));
    expect(await one.read(KEY)).toEqual(copy(2n));
  });
});

test('without Redis it has nothing and fails nobody, and is soon not asked any more', async () => {
  const lonely = new Started('redis://127.0.0.1:1').follow('db');
  for (let n = 0; n < 20; n++) {
    expect(await lonely.cache.read(KEY)).toBeUndefined();
    lonely.cache.write([copy(1n)]);
  }
  const opened = await poll(async () => lonely.states.length >= 2 || undefined, 5_000);
  expect(opened).toBe(true);
  expect(lonely.cache.breakerStates()).toEqual([
    ['redis_reads', 'open'],
    ['redis_writes', 'open'],
  ]);
});

test('before the feed has told of a database nothing is asked', async () => {
  const early = new Started('redis://127.0.0.1:1');
  expect(await early.cache.read(KEY)).toBeUndefined();
  early.cache.write([copy(1n)]);
  expect(early.outcomes.size).toBe(0);
});
