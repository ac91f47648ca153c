import { expect, test } from '@jest/globals';
import { ConfigError, readConfig } from './config.js';

const DATABASE_URL = 'postgresql://user:secret@host:5432/onhand';

const problemsOf = (environment: Record<string, string>): readonly string[] => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

test('one variable is enough', () => {
  expect(readConfig({ DATABASE_URL })).toMatchObject({
    databaseUrl: DATABASE_URL,
    databaseReplicaUrls: [],
    grpcPort: 50051,
    httpPort: 8080,
    metricsPort: 9464,
    pgPoolMax: 20,
    pgPoolMin: 5,
    pgPoolIdleMs: 600_000,
    pgPoolLifetimeMs: 1_800_000,
  });
});

test('replicas are separated by commas', () => {
  const config = readConfig({ DATABASE_URL, DATABASE_REPLICA_URLS: `${DATABASE_URL}1, ${DATABASE_URL}2` });
  expect(config.databaseReplicaUrls).toEqual([`${DATABASE_URL}1`, `${DATABASE_URL}2`]);
});

test('a pooler is told of by the mode that is known', () => {
  const through = (mode: string) => ({ DATABASE_URL: `${DATABASE_URL}?pool_mode=${mode}` });
  expect(problemsOf(through('transaction'))).toEqual([]);
  expect(problemsOf(through('statement'))).toEqual([
    'DATABASE_URL has a pool_mode that is not known: transaction is',
  ]);
});

test('every problem is reported at once, and no value is shown', () => {
  const problems = problemsOf({
    DATABASE_REPLICA_URLS: 'postgresql://ok:5432/x,mysql://user:secret@host/x',
    REDIS_URL: 'http://secret',
    ONHAND_GRPC_PORT: '70000',
    ONHAND_LOG_LEVEL: 'loud',
    ONHAND_TYPO: 'secret',
  });
  expect(problems).toEqual([
    'DATABASE_URL is required',
    'DATABASE_REPLICA_URLS must be a URL such as postgresql://user:password@host:5432/database',
    'REDIS_URL must be a URL such as redis://host:6379, redis-sentinel://host:26379,host:26379/master or redis-cluster://host:6379,host:6379 (rediss for TLS)',
    'ONHAND_GRPC_PORT must be a whole number from 0 to 65535',
    'ONHAND_LOG_LEVEL must be one of: fatal, error, warn, info, debug, trace, silent',
    'ONHAND_TYPO is not a setting of Onhand',
  ]);
  expect(problems.join()).not.toContain('secret');
});

test.each(['-1', '1.5', '1e3', ' 5', 'abc', '0x10'])('%p is not a port', (value) => {
  expect(problemsOf({ DATABASE_URL, ONHAND_HTTP_PORT: value })).toHaveLength(1);
});

test('bounds that hang together are checked together', () => {
  expect(problemsOf({ DATABASE_URL, ONHAND_PG_POOL_MIN: '10', ONHAND_PG_POOL_MAX: '8' })).toHaveLength(1);
  expect(problemsOf({ DATABASE_URL, ONHAND_LANES: '30' })).toEqual([
    'ONHAND_LANES, ONHAND_BATCH_LANES and ONHAND_SYNC_LANES together must not be above ONHAND_PG_POOL_MAX',
  ]);
});

test('web origins are exact', () => {
  const read = (origins: string) => readConfig({ DATABASE_URL, ONHAND_CORS_ORIGINS: origins }).corsOrigins;
  expect(read('')).toEqual([]);
  expect(read('https://shop.example, http://localhost:5173')).toEqual([
    'https://shop.example',
    'http://localhost:5173',
  ]);
  for (const wrong of [
    '*',
    'null',
    'shop.example',
    'https://shop.example/',
    'https://Shop.example',
    'https://shop.example:443',
    'https://*.shop.example',
    'ftp://shop.example',
  ]) {
    expect(problemsOf({ DATABASE_URL, ONHAND_CORS_ORIGINS: wrong })).toEqual([
      'ONHAND_CORS_ORIGINS must be origins such as https://shop.example, separated by commas',
    ]);
  }
});
