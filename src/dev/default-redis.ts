/** The variable in which `npm test -- --redis=down` gives tests a Redis that does not answer. */
const DOWN_IN = 'ONHAND_TEST_DOWN_REDIS_URL';

/** Nobody listens there. */
const DOWN_URL = 'redis://127.0.0.1:1';

/** For tests: the Redis of a service to which a test gives none: none, or one that is down for the whole run. */
export const defaultRedisUrl = (): string | undefined => process.env[DOWN_IN] || undefined;

/** What makes services of tests have that Redis. */
export const redisIsDown: Readonly<Record<string, string>> = { [DOWN_IN]: DOWN_URL };
