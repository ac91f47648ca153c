import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type CacheMetrics, cacheMetrics } from './cache-metrics.js';
import { type FeedMetrics, feedMetrics } from './feed-metrics.js';
import { FastCounter, FastHistogram } from './request-series.js';
import { type SyncMetrics, syncMetrics } from './sync-metrics.js';

/** What is measured about requests. Children are made once per label set, so that a request does no look-up by label. */
export interface RequestMetrics {
  /** Counts answers. `reason` is empty where the code is OK. */
  counter(labels: { method: string; transport: string; code: string; reason: string }): () => void;
  /** Measures answers, in seconds. */
  timer(labels: { method: string; transport: string }): (seconds: number) => void;
}

/** What is measured about writes. The first two have the shape that the lanes of the ledger call. */
export interface LedgerMetrics {
  batchCommitted(commands: number, seconds: number): void;
  retried(cause: string): void;
  /** Counts commands by what became of them: applied, refused, replayed, stock_not_found, event_id_reused. */
  commandDecided(type: string, outcome: string): void;
  /** Asked at each scrape: commands that wait, over all lanes. */
  observeQueueLength(read: () => number): void;
}

/** The state of one connection pool; `pg.Pool` has this shape. */
export interface PoolState {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

/** What is measured about reads; the read path calls it. */
export interface ReadMetrics {
  /** Counts reads by where they were answered from. */
  answered(source: string): void;
  /** Counts servers that were asked and whose answer would not do. */
  fellBack(node: string, cause: string): void;
}

/** One server of the cluster, as it was when it was last looked at. */
export interface NodeState {
  readonly name: string;
  readonly up: boolean;
  readonly primary: boolean;
  /** At most how far it is behind; undefined where that cannot be told. */
  readonly lagSeconds: number | undefined;
}

export interface DatabaseMetrics {
  /** Asked at each scrape. */
  observePools(read: () => Iterable<readonly [name: string, pool: PoolState]>): void;
  /** Asked at each scrape: whether the primary takes writes. */
  observeWritable(read: () => boolean): void;
  /** Asked at each scrape. */
  observeNodes(read: () => Iterable<NodeState>): void;
  /** Counts the times that another server became the primary. */
  primaryChanged(): void;
  /** Asked at each scrape: whether Redis answers. */
  observeRedis(read: () => boolean): void;
  /** Asked at each scrape: seconds since the newest beat; undefined while none was seen. */
  observeHeartbeatAge(read: () => number | undefined): void;
}

/** Every metric of one process, in its own registry. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: RequestMetrics;
  readonly ledger: LedgerMetrics;
  readonly reads: ReadMetrics;
  readonly caches: CacheMetrics;
  readonly database: DatabaseMetrics;
  readonly feed: FeedMetrics;
  readonly sync: SyncMetrics;
}

const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** Makes the families that README lists, and those of the process itself. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requests: requestMetrics(registry),
    ledger: ledgerMetrics(registry),
    reads: readMetrics(registry),
    caches: cacheMetrics(registry),
    database: databaseMetrics(registry),
    feed: feedMetrics(registry),
    sync: syncMetrics(registry),
  };
}

function requestMetrics(registry: Registry): RequestMetrics {
  const requests = new FastCounter(
    {
      name: 'onhand_requests_total',
      help: 'Answers by method, transport, canonical code and reason (empty for OK)',
      labelNames: ['method', 'transport', 'code', 'reason'],
    },
    registry,
  );
  const durations = new FastHistogram(
    {
      name: 'onhand_request_duration_seconds',
      help: 'From the arrival of a request until its answer is ready',
      labelNames: ['method', 'transport'],
    },
    LATENCY_BUCKETS,
    registry,
  );
  return {
    counter: (labels) => requests.child(labels),
    timer: (labels) => durations.child(labels),
  };
}

function ledgerMetrics(registry: Registry): LedgerMetrics {
  const registers = [registry];
  const batch = new Histogram({
    name: 'onhand_ledger_batch_commands',
    help: 'Commands in one committed transaction',
    buckets: BATCH_BUCKETS,
    registers,
  });
  const commit = new Histogram({
    name: 'onhand_ledger_commit_seconds',
    help: 'From the start of a transaction until its commit is durable',
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const retries = new Counter({
    name: 'onhand_ledger_retries_total',
    help: 'Transactions that failed, by cause',
    labelNames: ['cause'],
    registers,
  });
  const commands = new Counter({
    name: 'onhand_ledger_commands_total',
    help: 'Commands by type and by what became of them',
    labelNames: ['type', 'outcome'],
    registers,
  });
  return {
    batchCommitted(count, seconds) {
      batch.observe(count);
      commit.observe(seconds);
    },
    retried: (cause) => retries.inc({ cause }),
    commandDecided: (type, outcome) => commands.inc({ type, outcome }),
    observeQueueLength(read) {
      gauge(registry, 'onhand_ledger_queue_length', 'Commands that wait, over all lanes', read);
    },
  };
}

function readMetrics(registry: Registry): ReadMetrics {
  const registers = [registry];
  const answers = new FastCounter(
    {
      name: 'onhand_reads_total',
      help: 'Reads that were answered, by where from; one of several stocks counts as the furthest source',
      labelNames: ['source'],
    },
    registry,
  );
  const bySource = new Map<string, () => void>();
  const fallbacks = new Counter({
    name: 'onhand_read_fallbacks_total',
    help: 'Servers whose answer to a read would not do, by cause',
    labelNames: ['node', 'cause'],
    registers,
  });
  return {
    answered(source) {
      let count = bySource.get(source);
      if (count === undefined) {
        count = answers.child({ source });
        bySource.set(source, count);
      }
      count();
    },
    fellBack: (node, cause) => fallbacks.inc({ node, cause }),
  };
}

function databaseMetrics(registry: Registry): DatabaseMetrics {
  const changes = new Counter({
    name: 'onhand_primary_changes_total',
    help: 'Times that a server became the primary for this process, its first one included',
    registers: [registry],
  });
  return {
    primaryChanged: () => changes.inc(),
    observeNodes(read) {
      perNode(registry, 'onhand_database_up', '1 where the server answers', read, ({ up }) => Number(up));
      perNode(registry, 'onhand_database_primary', '1 where it is the primary', read, ({ primary }) =>
        Number(primary),
      );
      const help =
        'At most how far the server was behind when it last answered; NaN where that cannot be told';
      perNode(
        registry,
        'onhand_database_lag_seconds',
        help,
        read,
        ({ lagSeconds }) => lagSeconds ?? Number.NaN,
      );
    },
    observePools(read) {
      new Gauge({
        name: 'onhand_pool_connections',
        help: 'Connections by pool and state: active, idle; waiting counts callers that wait for one',
        labelNames: ['pool', 'state'],
        registers: [registry],
        collect() {
          for (const [pool, { totalCount, idleCount, waitingCount }] of read()) {
            this.set({ pool, state: 'active' }, totalCount - idleCount);
            this.set({ pool, state: 'idle' }, idleCount);
            this.set({ pool, state: 'waiting' }, waitingCount);
          }
        },
      });
    },
    observeWritable(read) {
      gauge(registry, 'onhand_writable', '1 where the primary takes writes', () => Number(read()));
    },
    observeRedis(read) {
      gauge(registry, 'onhand_redis_up', '1 where Redis answers', () => Number(read()));
    },
    observeHeartbeatAge(read) {
      const help = 'Age of the newest beat of the primary; NaN while none was seen';
      gauge(registry, 'onhand_heartbeat_age_seconds', help, () => read() ?? Number.NaN);
    },
  };
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

function perNode(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<NodeState>,
  measure: (node: NodeState) => number,
): void {
  new Gauge({
    name,
    help,
    labelNames: ['node'],
    registers: [registry],
    collect() {
      for (const node of read()) this.set({ node: node.name }, measure(node));
    },
  });
}
