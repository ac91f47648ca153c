import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import type { TestDatabase } from '../../src/dev/test-database.js';
import type { WatchResponse } from '../../src/gen/grpc/inventory/v1/inventory_service.js';
import { projectRoot } from '../../src/project-root.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { connect } from '../load/service-calls.js';
import type { ServiceProcess } from '../service-process.js';
import { auditStocks } from '../store-audit.js';
import { until } from '../until.js';
import { WatchFollower } from '../watch/watch-follower.js';
import { note } from './findings.js';
import { Stage } from './stage.js';

const MB = 1024 * 1024;
const PATIENCE_MS = 60_000;
/** Longer than the service's collections and its metrics' refresh take. */
const LEVEL_READINGS = 8;
const READING_PERIOD_MS = 250;
const STOCKS: LoadPlan['stocks'] = { storePrefix: 'store', stores: 1, products: 200 };
const STORE = 'store-1';

const CONNECTIONS = 10;
const STREAMS_PER_CONNECTION = 100;
const IDLE_WATCHERS = CONNECTIONS * STREAMS_PER_CONNECTION;
const IDLE_LIMIT_BYTES = 60 * MB;

const SLOW_WATCHERS = 10;
const CHANGES = 60_000;
const SLOW_LIMIT_BYTES = 2 * MB;

const stage = new Stage();

afterEach(() => stage.clear());

async function putUp(): Promise<{ database: TestDatabase; service: ServiceProcess }> {
  const database = await stage.database();
  await openStocks(database.url, STOCKS, 100_000);
  const imports = [join(projectRoot(), 'dist/test/faults/collect-garbage.js')];
  return { database, service: await stage.service({ databaseUrl: database.url, imports }) };
}

/** What the service holds, in bytes: its heap, and its buffers beside it. The least of several readings in a row. */
async function heldBytes({ metricsUrl }: ServiceProcess): Promise<number> {
  const readings: number[] = [];
  while (readings.length < LEVEL_READINGS) {
    const text = await (await fetch(metricsUrl)).text();
    const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
    readings.push(value('nodejs_heap_size_used_bytes') + value('nodejs_external_memory_bytes'));
    await new Promise((resolve) => setTimeout(resolve, READING_PERIOD_MS));
  }
  return Math.min(...readings);
}

const megabytes = (bytes: number): string => (bytes / MB).toFixed(2);

/** Opens streams on a connection of their own, and waits until each has its snapshot. */
async function watchIdly({ grpcAddress }: ServiceProcess): Promise<void> {
  const client = stage.keep(connect(grpcAddress), async (one) => one.close());
  let following = 0;
  for (let stream = 0; stream < STREAMS_PER_CONNECTION; stream++) {
    const watched = client.watch({ storeId: STORE, productIds: [], cursor: '' });
    watched.on('data', ({ snapshotComplete }: WatchResponse) => {
      if (snapshotComplete) following++;
    });
    // They end with the service.
    watched.on('error', () => undefined);
  }
  await until(
    async () => following === STREAMS_PER_CONNECTION,
    'not every watcher has its snapshot',
    PATIENCE_MS,
  );
}

async function change({ grpcAddress }: ServiceProcess, seed: string): Promise<void> {
  const load = stage.load({
    ...{ seed, addresses: [grpcAddress], connections: 2, stocks: STOCKS, mix: { ApplyIndependent: 1 } },
    ...{ batchSize: 100, load: { inFlight: 4 }, deadlineMs: 10_000, seconds: 600 },
  });
  await load.untilAcceptedMore(CHANGES, 240_000);
  await load.stop();
}

/** Asks for a stream on a connection of its own, and never reads more than the beginning of the answer. */
async function askAndNotRead(url: URL, options: RequestOptions, body?: Buffer): Promise<void> {
  const asked = stage.keep(request(url, { ...options, agent: false }), async (one) => one.destroy());
  asked.end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  // They end with the service.
  answer.on('error', () => undefined);
  expect(answer.statusCode).toBe(200);
}

/** A message of Connect: no flags, the length, the JSON. */
function envelope(message: object): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(json.length, 1);
  return Buffer.concat([head, json]);
}

const UNREAD = {
  Connect: ({ httpUrl }: ServiceProcess) =>
    askAndNotRead(
      new URL('/inventory.v1.InventoryService/Watch', httpUrl),
      { method: 'POST', headers: { 'content-type': 'application/connect+json' } },
      envelope({ storeId: STORE }),
    ),
  'Server-Sent Events': ({ httpUrl }: ServiceProcess) =>
    askAndNotRead(new URL(`/api/v1/inventory/watch?storeId=${STORE}`, httpUrl), { method: 'GET' }),
};

test('a thousand watchers to whom nothing happens take less than 60 MB', async () => {
  const { service } = await putUp();
  const before = await heldBytes(service);
  for (let connection = 0; connection < CONNECTIONS; connection++) await watchIdly(service);
  const taken = (await heldBytes(service)) - before;
  note(`${IDLE_WATCHERS} idle watchers take ${megabytes(taken)} MB`);
  expect(taken).toBeLessThan(IDLE_LIMIT_BYTES);
}, 300_000);

test('who does not read takes less than 2 MB, and is told what was skipped when it comes back', async () => {
  const { database, service } = await putUp();
  await change(service, 'warm-up');
  const before = await heldBytes(service);
  const slow = Array.from({ length: SLOW_WATCHERS }, () =>
    stage.keep(
      new WatchFollower({ addresses: [service.grpcAddress], storeId: STORE, productIds: [] }),
      async (one) => one.stop(),
    ),
  );
  await until(async () => slow.every(({ following }) => following), 'there is no snapshot', PATIENCE_MS);
  for (const follower of slow) follower.pause();
  await change(service, 'unread');
  const each = ((await heldBytes(service)) - before) / SLOW_WATCHERS;
  note(`a watcher that does not read takes ${megabytes(each)} MB after ${CHANGES} changes`);
  expect(each).toBeLessThan(SLOW_LIMIT_BYTES);

  for (const follower of slow) follower.resume();
  const expected = new Map(
    (await auditStocks(database.url, STORE)).map(({ productId, version, net }) => [
      `${STORE} ${productId}`,
      { version, net },
    ]),
  );
  for (const { stocks, problems, totals } of slow) {
    await until(
      async () => [...expected].every(([key, { version }]) => stocks.get(key)?.version === version),
      'a slow watcher does not catch up',
      PATIENCE_MS,
    );
    expect(stocks).toEqual(expected);
    expect(problems).toEqual([]);
    expect(totals).toMatchObject({ reconnects: 0, repeats: 0 });
    expect(totals.skippedVersions).toBeGreaterThan(0);
    expect(totals.skippedVersions + totals.changes).toBeGreaterThanOrEqual(CHANGES);
  }
  await stage.expectServicesAlive();
}, 600_000);

test.each(Object.entries(UNREAD))(
  'over %s, too, who does not read takes less than 2 MB',
  async (_, ask) => {
    const { service } = await putUp();
    await change(service, 'warm-up');
    const before = await heldBytes(service);
    for (let watcher = 0; watcher < SLOW_WATCHERS; watcher++) await ask(service);
    await change(service, 'unread');
    const each = ((await heldBytes(service)) - before) / SLOW_WATCHERS;
    note(`it takes ${megabytes(each)} MB after ${CHANGES} changes`);
    expect(each).toBeLessThan(SLOW_LIMIT_BYTES);
    const metrics = await (await fetch(service.metricsUrl)).text();
    expect(metrics).toMatch(new RegExp(`^onhand_watches ${SLOW_WATCHERS}$`, 'm'));
  },
  600_000,
);
