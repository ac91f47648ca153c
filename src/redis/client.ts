import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { parseRedisUrl } from './redis-url.js';

export type RedisClient = Redis | Cluster;

const retryStrategy = (attempt: number): number => Math.min(100 * attempt, 2_000);

const OPTIONS = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // The library's own attempt is a promise that nobody handles: it would end the process where Redis does not answer it.
  autoResubscribe: false,
  maxRetriesPerRequest: 1,
  connectTimeout: 500,
  commandTimeout: 100,
  // A command that was given up stays in the driver's queue until it is answered. Where Redis hangs the connection goes, and the
  // queue with it. Nothing is cut where no command waits: an idle subscriber stays.
  socketTimeout: 1_000,
  keepAlive: 5_000,
  retryStrategy,
} satisfies RedisOptions;

/**
 * A connection to Redis that never keeps a caller waiting and never sends a command twice: no offline queue, no resend,
 * every wait bounded. What cannot be had now is an error now; whoever asks goes on without.
 *
 * @param url see `parseRedisUrl`.
 */
export function createRedis(url: string, onError: (error: Error) => void): RedisClient {
  const redis = open(url);
  redis.on('error', onError);
  return redis;
}

function open(url: string): RedisClient {
  const address = parseRedisUrl(url);
  if (address === undefined) throw new Error('not a URL of Redis');
  if (address.kind === 'SINGLE') return new Redis(address.url, OPTIONS);
  const { nodes, username, password, tls } = address;
  const login = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
  if (address.kind === 'SENTINEL') {
    const sentinels = nodes.map((node) => ({ ...node }));
    return new Redis({
      ...OPTIONS,
      ...login,
      sentinels,
      name: address.master,
      enableTLSForSentinelMode: tls,
      sentinelRetryStrategy: retryStrategy,
    });
  }
  return new Cluster([...nodes], {
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    // What is moved elsewhere is asked there, a few times; a node that hangs is not asked again.
    maxRedirections: 3,
    slotsRefreshTimeout: 1_000,
    redisOptions: { ...OPTIONS, ...login },
  });
}
