import { defaultRedisUrl } from '../dev/default-redis.js';
import { createTestDatabase } from '../dev/test-database.js';
import { Feed } from '../feed/feed.js';
import { LEDGER_SESSION_SETTINGS, Ledger } from '../ledger/ledger.js';
import { Cluster } from '../postgres/cluster.js';
import { DatabaseReads } from '../reads/database-reads.js';
import { LocalCache } from '../reads/local-cache.js';
import { ReadPath } from '../reads/read-path.js';
import { SharedCache } from '../reads/shared-cache.js';
import { StockCaches } from '../reads/stock-caches.js';
import { SyncStreams } from '../sync/sync-streams.js';
import { createLogger, type Logger } from '../telemetry/logger.js';
import { createMetrics, type Metrics } from '../telemetry/metrics.js';
import { type Api, startApi } from './start-api.js';

/** For tests: the API in this process, on free ports, over a ledger and reads on a database of its own. */
export interface StartedApi {
  readonly api: Api;
  readonly metrics: Metrics;
  readonly grpcAddress: string;
  readonly httpUrl: string;
  readonly databaseUrl: string;
  /** What health says; to be changed by the test. */
  readonly health: { ready: boolean; writable: boolean };
  stop(): Promise<void>;
}

const NO_CACHE_OBSERVER = { shared: () => undefined, breaker: () => undefined };
const POOL_LIMITS = { max: 4, min: 0, idleMs: 10_000, lifetimeMs: 60_000 };

export interface TestApiOptions {
  readonly corsOrigins?: readonly string[];
  /** Gets the log, from debug on. */
  readonly logger?: Logger;
  readonly watchLimit?: number;
  /** Of streams of Sync. */
  readonly heartbeatMs?: number;
  readonly helloMs?: number;
}

export async function startTestApi({
  corsOrigins = [],
  logger,
  watchLimit = 100,
  ...syncTimes
}: TestApiOptions = {}): Promise<StartedApi> {
  const servers = await createTestDatabase();
  const cluster = new Cluster({
    urls: [servers.url, servers.replicaUrl],
    limits: POOL_LIMITS,
    writeSettings: LEDGER_SESSION_SETTINGS,
    onError: () => {},
  });
  await cluster.start();
  const metrics = createMetrics();
  const database = new DatabaseReads(cluster, metrics.reads);
  const redisUrl = defaultRedisUrl();
  const shared = redisUrl === undefined ? undefined : new SharedCache(redisUrl, NO_CACHE_OBSERVER);
  const caches = new StockCaches(new LocalCache(1_000), shared);
  const reads = new ReadPath(database, caches, metrics.reads);
  const feed = new Feed({
    ...{ cluster, reads: database, caches, watchLimit },
    ...{ redisUrl, observer: { ...metrics.feed, ...NO_CACHE_OBSERVER } },
  });
  const ledger = new Ledger({
    writes: () => cluster.writes,
    lanes: 2,
    batchLanes: 1,
    syncLanes: 1,
    queueLimit: 1_000,
    batchLimit: 100,
    observer: {
      ...metrics.ledger,
      batchCommitted: (_commands, _seconds, copies) => feed.committed(copies),
      failed: () => {},
    },
  });
  feed.start();
  const syncs = new SyncStreams({
    ...{ ledger, watches: feed.watches, observer: metrics.sync, ...syncTimes },
    primary: () => cluster.primary?.reads,
  });
  const health = { ready: true, writable: true };
  const api = await startApi({
    host: '127.0.0.1',
    grpcPort: 0,
    httpPort: 0,
    ledger,
    reads,
    watches: feed.watches,
    syncs,
    health: { ready: () => health.ready, writable: () => health.writable },
    metrics,
    corsOrigins,
    logger: logger ?? createLogger('silent'),
  });
  return {
    api,
    metrics,
    health,
    grpcAddress: `127.0.0.1:${api.grpcPort}`,
    databaseUrl: servers.url,
    httpUrl: `http://127.0.0.1:${api.httpPort}`,
    async stop() {
      await api.stop(2_000);
      await ledger.drain();
      await feed.stop();
      shared?.stop();
      await cluster.close();
      await servers.drop();
    },
  };
}
