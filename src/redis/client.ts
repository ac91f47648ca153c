import { Redis } from 'ioredis';

/**
 * A connection to Redis that never keeps a caller waiting and never sends a command twice: no offline queue, no resend,
 * every wait bounded. What cannot be had now is an error now; whoever asks goes on without.
 */
export function createRedis(url: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    connectTimeout: 500,
    commandTimeout: 100,
    keepAlive: 5_000,
    retryStrategy: (attempt) => Math.min(100 * attempt, 2_000),
  });
  redis.on('error', onError);
  return redis;
}
