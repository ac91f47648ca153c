import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { ServiceProcess } from '../service-process.js';
import { note } from './findings.js';
import type { Scene } from './staleness-scene.js';

/** A Redis that may use next to nothing, while more is put in all the time than it has room for. */

const MAX_MEMORY = '4mb';
const MAX_BYTES = 4 * 2 ** 20;
/** Many times what fits beside what the connections take. */
const OTHER_STOCKS = 100_000;
const PUT_AT_ONCE = 200;
const PUT_EVERY_MS = 50;
const TTL_MS = 300_000;
/** What was lost again and again, and missed by the services: fewer prove nothing. */
const LEAST_EVICTED = 10_000;
const LEAST_MISSES = 1_000;
/** Copies that the services could not put in. Few: their breakers open. */
const LEAST_REFUSED = 50;

/**
 * Whatever is in Redis may go at any time, or, with noeviction, nothing new comes in.
 *
 * @throws Error INVALID where that was not so.
 */
export async function whileCrowded(
  { redis, services }: Pick<Scene, 'redis' | 'services'>,
  policy: 'allkeys-random' | 'noeviction',
  meanwhile: () => Promise<unknown>,
): Promise<void> {
  const figures = () =>
    Promise.all([redis.figure('evicted_keys'), copiesOf(services, 'miss'), copiesOf(services, 'failed')]);
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
  const what = `${evicted} keys evicted, ${misses} copies missed, ${refused} refused, with ${bytes} bytes at most`;
  note(what);
  const happened =
    policy === 'noeviction' ? refused >= LEAST_REFUSED : evicted >= LEAST_EVICTED && misses >= LEAST_MISSES;
  if (!happened || bytes !== MAX_BYTES) throw new Error(`INVALID: ${what}`);
}

/** How many copies these asked Redis for, or put in, to this outcome. */
async function copiesOf(services: readonly ServiceProcess[], outcome: 'miss' | 'failed'): Promise<number> {
  const line = new RegExp(`^onhand_shared_cache_copies_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm');
  const counts = services.map(async ({ metricsUrl }) => {
    const text = await (await fetch(metricsUrl)).text();
    return Number(line.exec(text)?.[1] ?? 0);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
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
