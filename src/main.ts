import { startApi } from './api/start-api.js';
import { type Config, ConfigError, readConfig } from './config.js';
import { Feed } from './feed/feed.js';
import { LEDGER_SESSION_SETTINGS, Ledger } from './ledger/ledger.js';
import { Cluster } from './postgres/cluster.js';
import { DatabaseReads } from './reads/database-reads.js';
import { LocalCache } from './reads/local-cache.js';
import { ReadPath } from './reads/read-path.js';
import { SharedCache } from './reads/shared-cache.js';
import { StockCaches } from './reads/stock-caches.js';
import type { BreakerState } from './redis/breaker.js';
import { RedisHealth } from './redis/health.js';
import { SyncStreams } from './sync/sync-streams.js';
import { createLogger, type Logger } from './telemetry/logger.js';
import { createMetrics, type Metrics } from './telemetry/metrics.js';
import { startMetricsServer } from './telemetry/metrics-server.js';

/**
 * The service: configuration -> pools -> ledger, reads and feed -> servers -> signals. The one place that puts the parts
 * together, reads the environment and ends the process.
 */

const EXIT_USAGE = 2;

/** Stops what was started, in the order in which requests leave: refuse, finish, close. */
type Stop = () => Promise<void>;

async function start(config: Config, logger: Logger): Promise<Stop> {
  const metrics = createMetrics();
  const cluster = openCluster(config, metrics, logger);
  const { redisUrl, watchLimit } = config;
  const database = new DatabaseReads(cluster, metrics.reads);
  const local = new LocalCache(config.localCacheEntries);
  const breaker = breakerObserver(metrics, logger);
  const shared =
    redisUrl === undefined
      ? undefined
      : new SharedCache(redisUrl, { shared: metrics.caches.shared, breaker });
  const caches = new StockCaches(local, shared);
  const reads = new ReadPath(database, caches, metrics.reads);
  const feedObserver = { ...metrics.feed, breaker };
  const feed = new Feed({ cluster, reads: database, caches, redisUrl, watchLimit, observer: feedObserver });
  const ledger = new Ledger({
    writes: () => cluster.writes,
    lanes: config.lanes,
    batchLanes: config.batchLanes,
    syncLanes: config.syncLanes,
    queueLimit: config.laneQueueLimit,
    batchLimit: config.laneBatchLimit,
    observer: {
      ...metrics.ledger,
      batchCommitted: (commands, seconds, copies) => {
        metrics.ledger.batchCommitted(commands, seconds);
        feed.committed(copies);
      },
      failed: (error) => logger.warn({ err: error }, 'A batch could not be settled'),
    },
  });
  const syncs = new SyncStreams({
    ledger,
    watches: feed.watches,
    primary: () => cluster.primary?.reads,
    observer: metrics.sync,
  });
  await cluster.start();
  feed.start();
  for (const [server, err] of cluster.problems)
    logger.warn({ server, err }, 'The database server cannot be used');
  if (!cluster.writable) logger.warn('No server takes writes; serving all the same, and looking for one');
  const redis = openRedis(config, logger);
  observe(metrics, { cluster, ledger, feed, syncs, local, shared, redis });

  const { host, grpcPort, httpPort, corsOrigins } = config;
  const health = { ready: () => cluster.answering, writable: () => cluster.writable };
  const api = await startApi({
    host,
    grpcPort,
    httpPort,
    corsOrigins,
    ledger,
    reads,
    watches: feed.watches,
    syncs,
    health,
    metrics,
    logger,
  });
  const metricsServer = await startMetricsServer({
    host,
    port: config.metricsPort,
    registry: metrics.registry,
  });
  const ports = { grpcPort: api.grpcPort, httpPort: api.httpPort, metricsPort: metricsServer.port };
  logger.info({ ...ports, host }, 'serving');

  return async () => {
    await api.stop(config.shutdownMs / 2);
    await ledger.drain();
    redis?.stop();
    await feed.stop();
    shared?.stop();
    await Promise.all([cluster.close(), metricsServer.stop()]);
  };
}

function openCluster(config: Config, { database }: Metrics, logger: Logger): Cluster {
  return new Cluster({
    urls: [config.databaseUrl, ...config.databaseReplicaUrls],
    limits: {
      max: config.pgPoolMax,
      min: config.pgPoolMin,
      idleMs: config.pgPoolIdleMs,
      lifetimeMs: config.pgPoolLifetimeMs,
    },
    readLimit: config.readConcurrency,
    writeSettings: LEDGER_SESSION_SETTINGS,
    onError: (pool, error) => logger.debug({ pool, err: error }, 'A database connection failed'),
    onPrimary: (name) => {
      if (name === undefined) return logger.warn('No server is the primary; writes are refused');
      database.primaryChanged();
      logger.info({ primary: name }, 'Writes go to this primary');
    },
  });
}

function openRedis(config: Config, logger: Logger): RedisHealth | undefined {
  if (config.redisUrl === undefined) return undefined;
  return new RedisHealth(config.redisUrl, (up) => {
    if (up) logger.info('Redis answers');
    else logger.warn('Redis does not answer; the service goes on without');
  });
}

const breakerObserver =
  ({ caches }: Metrics, logger: Logger) =>
  (name: string, state: BreakerState) => {
    if (state !== 'open') return logger.info({ breaker: name, state }, 'The breaker around Redis changes');
    caches.breakerOpened(name);
    logger.warn({ breaker: name }, 'Redis does not answer in time; it is left out for a second');
  };

interface Observed {
  readonly cluster: Cluster;
  readonly ledger: Ledger;
  readonly feed: Feed;
  readonly syncs: SyncStreams;
  readonly local: LocalCache;
  readonly shared: SharedCache | undefined;
  readonly redis: RedisHealth | undefined;
}

function observe(metrics: Metrics, { cluster, ledger, feed, syncs, local, shared, redis }: Observed): void {
  const { ledger: ledgerMetrics, database } = metrics;
  ledgerMetrics.observeQueueLength(() => ledger.queueLength);
  database.observePools(() => cluster.pools);
  database.observeNodes(() => cluster.states());
  database.observeWritable(() => cluster.writable);
  database.observeHeartbeatAge(() => {
    const { newestAgeMs } = cluster.beats;
    return newestAgeMs === undefined ? undefined : newestAgeMs / 1000;
  });
  if (shared !== undefined) {
    metrics.caches.observeBreakers(() => [...shared.breakerStates(), ...feed.breakerStates()]);
  }
  metrics.caches.observeEntries(() => local.size);
  metrics.caches.observeReads(() => cluster.nodes.map(({ name, gate }) => ({ node: name, gate })));
  metrics.feed.observeLag(() => feed.lagSeconds);
  metrics.feed.observeWatches(() => feed.watches.open);
  metrics.sync.observeStreams(() => syncs.open);
  if (redis !== undefined) database.observeRedis(() => redis.up);
}

/** A signal stops the service once; a second one ends it at once. */
function stopOnSignals(stop: Stop, config: Config, logger: Logger): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, 'stopping');
    const patience = setTimeout(() => {
      logger.error(`did not stop within ${config.shutdownMs} ms; ending all the same`);
      process.exit(1);
    }, config.shutdownMs);
    stop().then(
      () => {
        clearTimeout(patience);
        logger.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        logger.error({ err: error }, 'the stop failed');
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);
}

/** Which variable to change where a port is taken. */
function portHint(error: unknown, config: Config): string {
  const { code, port } = error as { code?: string; port?: number };
  if (code !== 'EADDRINUSE') return '';
  const variables = {
    ONHAND_GRPC_PORT: config.grpcPort,
    ONHAND_HTTP_PORT: config.httpPort,
    ONHAND_METRICS_PORT: config.metricsPort,
  };
  const taken = Object.entries(variables).find(([, value]) => value === port)?.[0];
  return `: port ${port} is taken; choose another with ${taken}, or stop what listens there`;
}

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const logger = createLogger(config.logLevel);
  try {
    stopOnSignals(await start(config, logger), config, logger);
  } catch (error) {
    logger.fatal({ err: error }, `the service cannot start${portHint(error, config)}`);
    process.exit(1);
  }
}

main().catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT_USAGE);
});
