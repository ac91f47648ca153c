import { afterEach, expect, test } from '@jest/globals';
import { redisIsDown } from '../src/dev/default-redis.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { type ServiceProcess, startService } from './service-process.js';

/** What `npm test -- --redis=down` has every service do. */

let database: TestDatabase;
let service: ServiceProcess;

afterEach(async () => {
  for (const name of Object.keys(redisIsDown)) delete process.env[name];
  await service?.stop();
  await database?.drop();
});

const post = async (path: string, body: object): Promise<number> => {
  const headers = { 'content-type': 'application/json' };
  const options = { method: 'POST', headers, body: JSON.stringify(body) };
  return (await fetch(`${service.httpUrl}/api/v1/inventory/${path}`, options)).status;
};

test('a service whose Redis is down from its start on starts, writes, reads and says so', async () => {
  Object.assign(process.env, redisIsDown);
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
  const stock = { storeId: 'S', productId: 'P' };
  expect(await post('restock', { ...stock, quantity: 10 })).toBe(200);
  expect(await post('sell', { ...stock, quantity: 3 })).toBe(200);
  const read = await fetch(`${service.httpUrl}/api/v1/inventory?${new URLSearchParams(stock)}&minVersion=2`);
  expect(await read.json()).toMatchObject({ data: { quantity: 7, version: 2 } });
  expect(await (await fetch(service.metricsUrl)).text()).toContain('\nonhand_redis_up 0\n');
});
