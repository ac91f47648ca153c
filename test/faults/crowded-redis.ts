import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { note } from './findings.js';
import type { OwnRedis } from './own-redis.js';

/** A Redis that may use next to nothing, while more is put in all the time than it has room for. */

const MAX_MEMORY = '4mb';
/** Many times what fits beside what the connections take. */
const OTHER_STOCKS = 100_000;
const PUT_AT_ONCE = 200;
const PUT_EVERY_MS = 50;
const TTL_MS = 300_000;
/** What was lost again and again: fewer prove nothing. */
const LEAST_EVICTED = 10_000;
const LEAST_MISSES = 1_000;
/** Few: the breakers open. */
const LEAST_REFUSED = 15;

/**
 * Whatever is in Redis may go at any time, or, with noeviction, nothing new comes in.
 *
 * @throws Error INVALID where that was not so.
 */
export async function whileCrowded(
  redis: OwnRedis,
  policy: 'allkeys-random' | 'noeviction',
  meanwhile: () => Promise<unknown>,
): Promise<void> {
  const figures = () =>
    Promise.all(['evicted_keys', 'keyspace_misses', 'errorstat_OOM'].map((name) => redis.figure(name)));
  const before = await figures();
  await redis.run('CONFIG', 'SET', 'maxmemory-policy', policy);
  await redis.run('CONFIG', 'SET', 'maxmemory', MAX_MEMORY);
  const others = await OtherStocks.start(redis.url);
  try {
    await meanwhile();
  } finally {
    await others.stop();
  }
  const [evicted = 0, misses = 0, refused = 0] = (await figures()).map((now, index) => now - before[index]!);
  const bytes = await redis.figure('maxmemory');
  const what = `${evicted} keys evicted, ${misses} not found, ${refused} commands refused, with ${bytes} bytes at most`;
  note(what);
  const happened =
    policy === 'noeviction' ? refused >= LEAST_REFUSED : evicted >= LEAST_EVICTED && misses >= LEAST_MISSES;
  if (!happened || bytes !== 4 * 2 ** 20) throw new Error(`INVALID: ${what}`);
}

/** Puts in copies of stocks that nobody asks for, as the service does. */
class OtherStocks {
  #stopped = false;
  readonly #running: Promise<void>;

  private constructor(
    private readonly client: Redis,
    private readonly prefix: string,
    private readonly text: string,
  ) {
    this.#running = this.#run();
  }

  /** Takes one that the service put in for a pattern. */
  static async start(url: string): Promise<OtherStocks> {
    const client = new Redis(url);
    const key = await client.randomkey();
    const text = key === null ? null : await client.get(key);
    if (key === null || text === null) throw new Error('INVALID: there is nothing in Redis');
    return new OtherStocks(client, key.slice(0, key.lastIndexOf(':') + 1), text);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.client.disconnect();
  }

  async #run(): Promise<void> {
    for (let next = 0; !this.#stopped; next += PUT_AT_ONCE) {
      const pipeline = this.client.pipeline();
      for (let stock = next; stock < next + PUT_AT_ONCE; stock++) {
        const key = `${this.prefix}other-${1 + (stock % OTHER_STOCKS)}\0product-1`;
        pipeline.set(key, this.text, 'PX', TTL_MS);
      }
      // Each is refused by itself where there is no room.
      await pipeline.exec();
      await pause(PUT_EVERY_MS);
    }
  }
}
