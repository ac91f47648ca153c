import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { ClosedGate, installGate } from './gate.js';
import { type ServiceProcess, startService } from './service-process.js';
import { until } from './until.js';

let database: TestDatabase;
let service: ServiceProcess;

beforeEach(async () => {
  database = await createTestDatabase();
  await installGate(database.url);
});

afterEach(async () => {
  await service?.kill9();
  await database.drop();
});

/** Starts a restock, which then waits at the gate. @returns its status, or undefined where it was cut off. */
function restock({ httpUrl }: ServiceProcess): Promise<number | undefined> {
  const body = JSON.stringify({ storeId: 'S', productId: 'P', quantity: 1 });
  const headers = { 'content-type': 'application/json' };
  return fetch(`${httpUrl}/api/v1/inventory/restock`, { method: 'POST', headers, body }).then(
    ({ status }) => status,
    () => undefined,
  );
}

const isStopping = ({ httpUrl }: ServiceProcess) =>
  fetch(`${httpUrl}/readyz`).then(
    ({ ok }) => !ok,
    () => true,
  );

test('a signal lets what has begun finish; what comes later is refused', async () => {
  service = await startService({ databaseUrl: database.url });
  await ClosedGate.during(database.url, async (gate) => {
    const begun = restock(service);
    await gate.untilWaiting(1);
    const exit = service.stop();
    await until(() => isStopping(service), 'The service does not stop.');
    await gate.open();
    expect(await begun).toBe(200);
    expect(await exit).toBe(0);
  });
});

test('a second signal ends it at once', async () => {
  service = await startService({ databaseUrl: database.url });
  await ClosedGate.during(database.url, async (gate) => {
    const begun = restock(service);
    await gate.untilWaiting(1);
    process.kill(service.pid, 'SIGTERM');
    await until(() => isStopping(service), 'The service does not stop.');
    expect(await service.stop()).toBe(1);
    expect(await begun).toBeUndefined();
  });
});

test('what does not finish in time is left', async () => {
  const environment = { ONHAND_SHUTDOWN_MS: '200' };
  service = await startService({ databaseUrl: database.url, environment });
  await ClosedGate.during(database.url, async (gate) => {
    const begun = restock(service);
    await gate.untilWaiting(1);
    expect(await service.stop()).toBe(1);
    expect(await begun).not.toBe(200);
  });
});
