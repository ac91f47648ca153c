import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { type ServiceProcess, startService } from './service-process.js';

let database: TestDatabase;
let service: ServiceProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const second = (environment: Record<string, string>) =>
  startService({ databaseUrl: database.url, environment });

test('a port that is taken is told with the variable that sets it', async () => {
  const ports = {
    ONHAND_GRPC_PORT: new URL(`http://${service.grpcAddress}`).port,
    ONHAND_HTTP_PORT: new URL(service.httpUrl).port,
    ONHAND_METRICS_PORT: new URL(service.metricsUrl).port,
  };
  for (const [variable, port] of Object.entries(ports)) {
    await expect(second({ [variable]: port })).rejects.toThrow(
      `the service cannot start: port ${port} is taken; choose another with ${variable}, or stop what listens there`,
    );
  }
});

test('a wrong configuration ends it with what is wrong, all at once', async () => {
  const wrong = second({ ONHAND_HTTP_PORT: 'web', ONHAND_COLOUR: 'red' });
  const told = await wrong.then(
    () => 'it serves',
    (error: Error) => error.message,
  );
  expect(told).toContain('ended before it served (2)');
  expect(told).toContain('ONHAND_HTTP_PORT');
  expect(told).toContain('ONHAND_COLOUR');
});
