import { Heartbeat } from './heartbeat.js';
import type { Pool, PoolLimits } from './pool.js';
import { createPool } from './pool.js';

export interface ClusterOptions {
  readonly primaryUrl: string;
  readonly replicaUrls: readonly string[];
  readonly limits: PoolLimits;
  /** Session settings of the pool that writes. */
  readonly writeSettings: Readonly<Record<string, string>>;
  readonly onError: (pool: string, error: unknown) => void;
}

/** A replica that failed is left alone this long, so that reads do not wait for it one by one. */
const REST_MS = 1_000;

/** One streaming replica, and whether it is worth asking. */
export class Replica {
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly name: string,
    readonly pool: Pool,
  ) {}

  get resting(): boolean {
    return performance.now() < this.#restUntilMs;
  }

  rest(): void {
    this.#restUntilMs = performance.now() + REST_MS;
  }
}

/** The primary, its replicas, and the pools to reach them. */
export class Cluster {
  /** For the ledger alone: pipelined, with the ledger's session settings. */
  readonly writes: Pool;
  /** For reads that must come from the primary, and for the heartbeat. */
  readonly primary: Pool;
  readonly replicas: readonly Replica[];
  readonly heartbeat: Heartbeat;

  constructor(options: ClusterOptions) {
    const { limits, onError } = options;
    const pool = (
      url: string,
      name: string,
      more: { settings?: Readonly<Record<string, string>>; pipeline?: boolean } = {},
    ) => createPool({ url, name, limits, onError: (error) => onError(name, error), ...more });
    this.writes = pool(options.primaryUrl, 'writes', { settings: options.writeSettings, pipeline: true });
    this.primary = pool(options.primaryUrl, 'primary');
    this.replicas = options.replicaUrls.map((url, index) => {
      const name = `replica-${index + 1}`;
      return new Replica(name, pool(url, name));
    });
    this.heartbeat = new Heartbeat(this.primary, (error) => onError('primary', error));
  }

  /** Every pool by its name, for metrics. */
  get pools(): ReadonlyMap<string, Pool> {
    const replicas = this.replicas.map((replica) => [replica.name, replica.pool] as const);
    return new Map([['writes', this.writes], ['primary', this.primary], ...replicas]);
  }

  /** Closes every connection, once what runs on it is done. */
  async close(): Promise<void> {
    await this.heartbeat.stop();
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
  }
}
