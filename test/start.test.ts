import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { poll } from '../src/dev/poll.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase } from '../src/dev/test-database.js';
import { living, newPlace, type Place, portsInUse, StartedOnhand } from './started-onhand.js';

jest.setTimeout(300_000);

const RESTOCK = '/inventory.v1.InventoryService/Restock';
const READY = 'Onhand is ready.';
const SERVERS = ['postgres-primary', 'postgres-replica', 'service', 'start'];

let place: Place;
const started: StartedOnhand[] = [];

beforeAll(async () => {
  place = await newPlace();
});

afterAll(async () => {
  for (const onhand of started) await onhand.end('SIGTERM');
  rmSync(place.dataDir, { recursive: true, force: true });
});

function start(
  args: readonly string[] = ['--no-demo'],
  environment: Record<string, string> = {},
): StartedOnhand {
  const onhand = new StartedOnhand(place, args, environment);
  started.push(onhand);
  return onhand;
}

async function startedAndReady(...args: string[]): Promise<StartedOnhand> {
  const onhand = start(['--no-demo', ...args]);
  await onhand.says(READY);
  return onhand;
}

/** Restocks one and answers how many there are then; tries again while the service cannot. */
async function restockOne(onhand: StartedOnhand): Promise<number> {
  const stock = await poll(async () => {
    try {
      const body = { storeId: 'STORE_001', productId: 'PROD_0001', quantity: 1 };
      const answer = await onhand.post(RESTOCK, body);
      return answer.status === 200 ? (answer.body.stock as { quantity: number }) : undefined;
    } catch {
      return undefined;
    }
  }, 30_000);
  return stock?.quantity ?? Number.NaN;
}

test('starts, serves, refuses a second start, and leaves nothing running when it is stopped', async () => {
  const onhand = await startedAndReady();
  expect(await restockOne(onhand)).toBe(1);
  const processes = onhand.processes();
  expect(
    Object.keys(processes)
      .filter((name) => name !== 'redis')
      .sort(),
  ).toEqual(SERVERS);
  expect(living(processes)).toEqual(Object.keys(processes));

  const second = start();
  expect(await second.exit()).toBe(1);
  expect(second.text()).toContain(`process ${onhand.pid}`);

  expect(await onhand.end('SIGTERM')).toBe(0);
  expect(living(processes)).toEqual([]);
  expect(await portsInUse(place)).toEqual([]);
  expect(onhand.processes()).toEqual({});
});

test('what ends by itself is started again; after kill -9 of npm start the next one recovers', async () => {
  const onhand = await startedAndReady();
  expect(await restockOne(onhand)).toBe(2);
  const first = onhand.processes();
  process.kill(first.service ?? 0, 'SIGKILL');
  await onhand.says('The service runs again.');
  process.kill(first['postgres-primary'] ?? 0, 'SIGKILL');
  await onhand.says('The PostgreSQL primary runs again.');
  process.kill(first['postgres-replica'] ?? 0, 'SIGKILL');
  await onhand.says('The PostgreSQL replica runs again.');
  expect(await restockOne(onhand)).toBe(3);

  const orphans = onhand.processes();
  await onhand.end('SIGKILL');
  delete orphans.start;
  expect(living(orphans)).toEqual(Object.keys(orphans));
  const next = await startedAndReady();
  expect(next.text()).toContain(`Ended the PostgreSQL primary (process ${orphans['postgres-primary']})`);
  expect(living(orphans)).toEqual([]);
  expect(await restockOne(next)).toBe(4);

  // Now everything dies at once, as when the machine does; npm start first, so that it starts nothing again.
  for (const pid of Object.values(next.processes()).reverse()) process.kill(pid, 'SIGKILL');
  await next.exit();
  const last = await startedAndReady();
  expect(await restockOne(last)).toBe(5);
  expect(await last.end('SIGINT')).toBe(0);
  expect(await portsInUse(place)).toEqual([]);
});

test('a taken port is named with the variable that changes it', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(place.ports.grpc, '127.0.0.1', resolve));
  try {
    const onhand = start();
    expect(await onhand.exit()).toBe(1);
    expect(onhand.text()).toContain(`Port ${place.ports.grpc} (gRPC) is taken by process ${process.pid}`);
    expect(onhand.text()).toContain('set ONHAND_GRPC_PORT');
    expect(await portsInUse(place)).toEqual(['grpc']);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('--fresh starts over; a signal during the start stops all of it', async () => {
  const onhand = await startedAndReady('--fresh');
  expect(await restockOne(onhand)).toBe(1);

  // A kill can come between the start of a process and the note of it; PostgreSQL's own pid file tells all the same.
  await onhand.end('SIGKILL');
  rmSync(join(place.dataDir, 'run', 'postgres-primary.json'));
  const interrupted = start(['--no-demo']);
  await poll(
    () => (existsSync(join(place.dataDir, 'run', 'postgres-primary.json')) ? true : undefined),
    30_000,
    5,
  );
  expect(await interrupted.end('SIGTERM')).toBe(0);
  expect(await portsInUse(place)).toEqual([]);
});

test('a second signal does not wait for what does not stop', async () => {
  const onhand = await startedAndReady();
  const processes = onhand.processes();
  process.kill(processes.service ?? 0, 'SIGSTOP');
  const exit = onhand.end('SIGTERM');
  await onhand.says('Stopping. Press Ctrl-C again to stop at once.');
  // Signals that follow at once are taken for the same one: a terminal sends it to npm as well, which passes it on.
  const again = setInterval(() => process.kill(onhand.pid, 'SIGTERM'), 500);
  const code = await exit.finally(() => clearInterval(again));
  expect({ code, text: onhand.text() }).toEqual({
    code: 1,
    text: expect.stringContaining('Stopping at once.'),
  });
  expect(living(processes)).toEqual([]);
  expect(await portsInUse(place)).toEqual([]);
});

test('with DATABASE_URL it starts the service only, and the demo data when asked', async () => {
  const database = await createTestDatabase();
  const environment = { DATABASE_URL: database.url, DATABASE_REPLICA_URLS: database.replicaUrl };
  const onhand = start(['--demo'], environment);
  await onhand.says(READY);
  expect(Object.keys(onhand.processes()).sort()).toEqual(['service', 'start']);
  expect(onhand.text()).toContain('Demo data: 100,000 stocks restocked');
  const sale = { storeId: 'STORE_100', productId: 'PROD_1000', quantity: 5 };
  const { status, body } = await onhand.post('/api/v1/inventory/sell', sale);
  expect({ status, quantity: (body.data as { quantity: number }).quantity }).toEqual({
    status: 200,
    quantity: 95,
  });
  const { rows } = await withConnection(database.url, (client) =>
    client.query('SELECT count(*)::int AS stocks, sum(net)::int AS items FROM stock'),
  );
  expect(rows).toEqual([{ stocks: 100_000, items: 9_999_995 }]);
  expect(await onhand.end('SIGTERM')).toBe(0);
  await database.drop();
});

test('unknown options and bad settings are refused with what is right', async () => {
  const unknown = start(['--frehs']);
  expect(await unknown.exit()).toBe(1);
  expect(unknown.text()).toMatch(/--frehs[\s\S]*Usage: npm start/);
  const settings = start([], { ONHAND_HTTP_PORT: 'http', ONHAND_DEV_PG_PORT: '65535' });
  expect(await settings.exit()).toBe(1);
  expect(settings.text()).toContain('ONHAND_HTTP_PORT must be a port from 1 to 65535, not "http".');
  expect(settings.text()).toContain('ONHAND_DEV_PG_PORT must be a port from 1 to 65534');
  const help = start(['--help']);
  expect(await help.exit()).toBe(0);
  expect(help.text()).toContain('--fresh');
});
