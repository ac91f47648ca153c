import { parseRedisUrl } from './redis/redis-url.js';

/** Everything that can be set from outside, checked once at the start. Names and defaults are README's table. */
export interface Config {
  readonly databaseUrl: string;
  readonly databaseReplicaUrls: readonly string[];
  readonly redisUrl: string | undefined;
  readonly host: string;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly metricsPort: number;
  /** Web origins whose pages may call; exact, without a path. */
  readonly corsOrigins: readonly string[];
  readonly authMode: 'none';
  readonly logLevel: LogLevel;
  readonly pgPoolMax: number;
  readonly pgPoolMin: number;
  readonly pgPoolIdleMs: number;
  readonly pgPoolLifetimeMs: number;
  readonly lanes: number;
  readonly batchLanes: number;
  readonly syncLanes: number;
  readonly laneQueueLimit: number;
  readonly laneBatchLimit: number;
  /** Stocks kept in this process's memory; 0 keeps none. */
  readonly localCacheEntries: number;
  /** Reads that run at once at each database server; the next ones wait. */
  readonly readConcurrency: number;
  /** Streams of Watch at once. */
  readonly watchLimit: number;
  readonly shutdownMs: number;
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Everything that is wrong with the configuration, in one error, a line each. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      `The configuration has ${problems.length} problem(s):\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.name = 'ConfigError';
  }
}

type Environment = Readonly<Record<string, string | undefined>>;
type Parse<T> = (text: string) => T | { readonly problem: string };

/** Read by the tools around the service (npm start, the tests), which share the environment with it. */
const TOOL_VARIABLES = [
  'ONHAND_DATA_DIR',
  'ONHAND_DEV_PG_PORT',
  'ONHAND_DEV_REDIS_PORT',
  'ONHAND_TEST_REQUIRE_REDIS',
  'ONHAND_TEST_REQUIRE_BROWSER',
  'ONHAND_TEST_REQUIRE_CURL',
  'ONHAND_TEST_REQUIRE_POSTGRES',
  'ONHAND_TEST_REQUIRE_PGBOUNCER',
];

/**
 * Reads the configuration from the environment.
 *
 * @throws ConfigError naming every problem: missing and malformed values, and ONHAND_ variables that nobody knows.
 */
export function readConfig(environment: Environment): Config {
  const reader = new EnvironmentReader(environment);
  const config: Config = {
    databaseUrl: reader.required('DATABASE_URL', postgresUrl),
    databaseReplicaUrls: reader.optional('DATABASE_REPLICA_URLS', [], listOf(postgresUrl)),
    redisUrl: reader.optional<string | undefined>('REDIS_URL', undefined, redisUrl),
    host: reader.optional('ONHAND_HOST', '0.0.0.0', text),
    grpcPort: reader.optional('ONHAND_GRPC_PORT', 50051, integer(0, 65535)),
    httpPort: reader.optional('ONHAND_HTTP_PORT', 8080, integer(0, 65535)),
    metricsPort: reader.optional('ONHAND_METRICS_PORT', 9464, integer(0, 65535)),
    corsOrigins: reader.optional('ONHAND_CORS_ORIGINS', [], listOf(webOrigin)),
    authMode: reader.optional('ONHAND_AUTH_MODE', 'none', oneOf(['none'] as const)),
    logLevel: reader.optional('ONHAND_LOG_LEVEL', 'info', oneOf(LOG_LEVELS)),
    pgPoolMax: reader.optional('ONHAND_PG_POOL_MAX', 20, integer(1, 1_000)),
    pgPoolMin: reader.optional('ONHAND_PG_POOL_MIN', 5, integer(0, 1_000)),
    pgPoolIdleMs: reader.optional('ONHAND_PG_POOL_IDLE_MS', 600_000, integer(1_000, 86_400_000)),
    pgPoolLifetimeMs: reader.optional('ONHAND_PG_POOL_LIFETIME_MS', 1_800_000, integer(10_000, 86_400_000)),
    lanes: reader.optional('ONHAND_LANES', 4, integer(1, 64)),
    batchLanes: reader.optional('ONHAND_BATCH_LANES', 2, integer(1, 64)),
    syncLanes: reader.optional('ONHAND_SYNC_LANES', 2, integer(1, 64)),
    laneQueueLimit: reader.optional('ONHAND_LANE_QUEUE_LIMIT', 10_000, integer(1, 1_000_000)),
    laneBatchLimit: reader.optional('ONHAND_LANE_BATCH_LIMIT', 500, integer(1, 5_000)),
    localCacheEntries: reader.optional('ONHAND_LOCAL_CACHE_ENTRIES', 200_000, integer(0, 10_000_000)),
    readConcurrency: reader.optional('ONHAND_READ_CONCURRENCY', 32, integer(1, 1_000)),
    watchLimit: reader.optional('ONHAND_WATCH_LIMIT', 5_000, integer(1, 100_000)),
    shutdownMs: reader.optional('ONHAND_SHUTDOWN_MS', 20_000, integer(100, 600_000)),
  };
  if (config.pgPoolMin > config.pgPoolMax)
    reader.problem('ONHAND_PG_POOL_MIN must not be above ONHAND_PG_POOL_MAX');
  if (config.lanes + config.batchLanes + config.syncLanes > config.pgPoolMax)
    reader.problem(
      'ONHAND_LANES, ONHAND_BATCH_LANES and ONHAND_SYNC_LANES together must not be above ONHAND_PG_POOL_MAX',
    );
  reader.refuseUnknown();
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return Object.freeze(config);
}

class EnvironmentReader {
  readonly problems: string[] = [];
  readonly #known = new Set<string>(TOOL_VARIABLES);

  constructor(private readonly environment: Environment) {}

  required<T extends string>(name: string, parse: Parse<T>): T {
    const value = this.optional<T | undefined>(name, undefined, parse);
    if (value === undefined && !this.environment[name]) this.problem(`${name} is required`);
    return value ?? ('' as T);
  }

  optional<T>(name: string, fallback: T, parse: Parse<T>): T {
    this.#known.add(name);
    const given = this.environment[name];
    if (given === undefined || given === '') return fallback;
    const value = parse(given);
    if (typeof value !== 'object' || value === null || !('problem' in value)) return value as T;
    this.problem(`${name} ${value.problem}`);
    return fallback;
  }

  problem(text: string): void {
    this.problems.push(text);
  }

  refuseUnknown(): void {
    for (const name of Object.keys(this.environment)) {
      if (name.startsWith('ONHAND_') && !this.#known.has(name))
        this.problem(`${name} is not a setting of Onhand`);
    }
  }
}

const text: Parse<string> = (given) => given;

function integer(min: number, max: number): Parse<number> {
  const problem = `must be a whole number from ${min} to ${max}`;
  return (given) => {
    const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
    return value >= min && value <= max ? value : { problem };
  };
}

function oneOf<const T extends string>(values: readonly T[]): Parse<T> {
  return (given) =>
    values.find((value) => value === given) ?? { problem: `must be one of: ${values.join(', ')}` };
}

/** The value is not shown: it may hold a password. */
const anyPostgresUrl: Parse<string> = (given) =>
  /^postgres(ql)?:\/\//.test(given) && URL.canParse(given)
    ? given
    : { problem: 'must be a URL such as postgresql://user:password@host:5432/database' };

/** `pool_mode` says that a pooler is in between, as PgBouncer calls it; a session of our own is the default. */
const postgresUrl: Parse<string> = (given) => {
  const parsed = anyPostgresUrl(given);
  if (typeof parsed !== 'string') return parsed;
  const modes = new URL(parsed).searchParams.getAll('pool_mode');
  return modes.every((mode) => mode === 'transaction')
    ? parsed
    : { problem: 'has a pool_mode that is not known: transaction is' };
};

const redisUrl: Parse<string> = (given) =>
  parseRedisUrl(given) === undefined
    ? {
        problem:
          'must be a URL such as redis://host:6379, redis-sentinel://host:26379,host:26379/master or ' +
          'redis-cluster://host:6379,host:6379 (rediss for TLS)',
      }
    : given;

/** As browsers send it: no path, no default port, lower case; no pattern. */
const webOrigin: Parse<string> = (given) =>
  /^https?:[^*]+$/.test(given) && URL.canParse(given) && new URL(given).origin === given
    ? given
    : { problem: 'must be origins such as https://shop.example, separated by commas' };

function listOf(parse: Parse<string>): Parse<string[]> {
  return (given) => {
    const parsed = given.split(',').map((item) => parse(item.trim()));
    return parsed.find((item) => typeof item !== 'string') ?? (parsed as string[]);
  };
}
