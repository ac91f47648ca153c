import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from 'ioredis';
import { projectRoot } from '../project-root.js';
import type { RedisClient } from './client.js';

/** A copy of a stock as Redis holds it: text that begins with its version and the beat that it is as of. */
export interface StockEntry {
  readonly key: string;
  readonly text: string;
  readonly ttlMs: number;
}

/** The script of scripts/replace-stocks.lua as ioredis makes a method of it. */
interface WithScript {
  replaceStocks(keys: number, ...keysAndArguments: (string | number)[]): Promise<number>;
}

/** The commands of the shared cache. Each rejects where Redis does not do it. */
export class StockEntries {
  readonly #redis: RedisClient & WithScript;

  constructor(redis: RedisClient) {
    const lua = readFileSync(join(projectRoot(), 'src/redis/scripts/replace-stocks.lua'), 'utf8');
    redis.defineCommand('replaceStocks', { lua });
    this.#redis = redis as RedisClient & WithScript;
  }

  /** The texts under these keys, null where there is none. */
  async read(keys: readonly string[]): Promise<(string | null)[]> {
    // Each key of a cluster may be on another node.
    if (this.#redis instanceof Cluster) return await Promise.all(keys.map((key) => this.#redis.get(key)));
    return await this.#redis.mget(...keys);
  }

  /** Puts in those that are newer than what is there. */
  async replace(entries: readonly StockEntry[]): Promise<void> {
    const replace = (some: readonly StockEntry[]) =>
      this.#redis.replaceStocks(
        some.length,
        ...some.map(({ key }) => key),
        ...some.flatMap(({ text, ttlMs }) => [text, ttlMs]),
      );
    if (this.#redis instanceof Cluster) await Promise.all(entries.map((entry) => replace([entry])));
    else await replace(entries);
  }

  stop(): void {
    this.#redis.disconnect();
  }
}
