import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { Callers } from '../../src/api/callers.js';
import { operation, Syncing, sale } from '../../src/api/syncing.js';
import type { TestDatabase } from '../../src/dev/test-database.js';
import { BatchMode } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { projectRoot } from '../../src/project-root.js';
import type { ServiceProcess } from '../service-process.js';
import { auditStocks, sumsUp } from '../store-audit.js';

import { UnreadStream } from '../sync/unread-stream.js';
import { until } from '../until.js';
import { expectInTime, note } from './findings.js';
import { Stage } from './stage.js';

const MB = 1024 * 1024;
const PATIENCE_MS = 60_000;
/** Longer than the service's collections and its metrics' refresh take. */
const LEVEL_READINGS = 8;
const READING_PERIOD_MS = 250;

const CONNECTIONS = 5;
const STREAMS_PER_CONNECTION = 100;
const IDLE_STREAMS = CONNECTIONS * STREAMS_PER_CONNECTION;
const IDLE_LIMIT_BYTES = 50 * MB;

const SLOW_STREAMS = 4;
const MESSAGES = 40;
const PRODUCTS = 200;
const BATCHES = 24;
const BATCH_SIZE = 250;
const SLOW_LIMIT_BYTES = 2 * MB;
/** What README and the contract say. */
const CUT_OFF_AFTER_MS = 30_000;
const CUT_OFF_WITHIN_MS = 1_000;

const stage = new Stage();

afterEach(() => stage.clear());

async function putUp(): Promise<{ database: TestDatabase; service: ServiceProcess }> {
  const database = await stage.database();
  const imports = [join(projectRoot(), 'dist/test/faults/collect-garbage.js')];
  return { database, service: await stage.service({ databaseUrl: database.url, imports }) };
}

const connect = ({ grpcAddress, httpUrl }: ServiceProcess): Callers =>
  stage.keep(new Callers(grpcAddress, httpUrl), async ({ grpc }) => grpc.close());

const metricsOf = async ({ metricsUrl }: ServiceProcess) => {
  const text = await (await fetch(metricsUrl)).text();
  return (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
};

/** What the service holds, in bytes: its heap, and its buffers beside it. The least of several readings in a row. */
async function heldBytes(service: ServiceProcess): Promise<number> {
  const readings: number[] = [];
  while (readings.length < LEVEL_READINGS) {
    const metric = await metricsOf(service);
    readings.push(metric('nodejs_heap_size_used_bytes') + metric('nodejs_external_memory_bytes'));
    await new Promise((resolve) => setTimeout(resolve, READING_PERIOD_MS));
  }
  return Math.min(...readings);
}

const megabytes = (bytes: number): string => (bytes / MB).toFixed(2);

/** Changes the stocks of a store elsewhere, more often than is kept for a stream that does not read. */
async function change(callers: Callers, storeId: string): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) {
    const operations = Array.from({ length: BATCH_SIZE }, (_, nth) =>
      operation('RESTOCK', 1, `P-${nth % PRODUCTS}`),
    );
    const request = { storeId, operations, mode: BatchMode.INDEPENDENT };
    // A service that collects garbage all the time may be too slow for its database now and then.
    const done = async () => (await callers.overGrpc('Apply', request)).successCount === BATCH_SIZE;
    await until(done, 'a batch is not applied', PATIENCE_MS);
  }
}

/** A client of its own for each: a connection that is not read must not hold up the others. */
const openStream = (service: ServiceProcess, storeId: string) => Syncing.open(connect(service), storeId);

test('500 stores to which nothing happens take less than 50 MB', async () => {
  const { service } = await putUp();
  await (await openStream(service, 'warm-up')).finish();
  const before = await heldBytes(service);
  const open: Syncing[] = [];
  for (let connection = 0; connection < CONNECTIONS; connection++) {
    const callers = connect(service);
    const stores = Array.from({ length: STREAMS_PER_CONNECTION }, (_, nth) => `idle-${connection}-${nth}`);
    open.push(...(await Promise.all(stores.map((storeId) => Syncing.open(callers, storeId)))));
  }
  const taken = (await heldBytes(service)) - before;
  note(`${IDLE_STREAMS} idle stores take ${megabytes(taken)} MB`);
  expect((await metricsOf(service))('onhand_sync_streams')).toBe(IDLE_STREAMS);
  expect(taken).toBeLessThan(IDLE_LIMIT_BYTES);
  await until(
    async () => open.every(({ heartbeats }) => heartbeats.length > 0),
    'not every store has a heartbeat',
    PATIENCE_MS,
  );
}, 300_000);

test('stores that read nothing take less than 2 MB each, and are cut off; others are served', async () => {
  const { database, service } = await putUp();
  const elsewhere = connect(service);
  await change(elsewhere, 'warm-up');
  const reader = await openStream(service, 'reader');
  const before = await heldBytes(service);

  const stores = Array.from({ length: SLOW_STREAMS }, (_, nth) => `slow-${nth}`);
  const streams = await Promise.all(stores.map((storeId) => openStream(service, storeId)));
  const pausedMs = performance.now();
  for (const stream of streams) {
    stream.pause();
    // More than may be unacknowledged, so that acknowledgements wait as well as changes.
    for (let sequence = 1; sequence <= MESSAGES; sequence++)
      stream.message(
        sequence,
        Array.from({ length: 500 }, (_, nth) => sale(1, `own-${nth % 50}`)),
      );
  }
  await Promise.all(stores.map((storeId) => change(elsewhere, storeId)));
  const each = ((await heldBytes(service)) - before) / SLOW_STREAMS;
  note(`a store that reads nothing takes ${megabytes(each)} MB`);
  // Else it was not the slow ones that were measured.
  expect((await metricsOf(service))('onhand_sync_streams')).toBe(SLOW_STREAMS + 1);
  expect(each).toBeLessThan(SLOW_LIMIT_BYTES);

  await until(
    async () => (await metricsOf(service))('onhand_sync_streams') === 1,
    'who reads nothing is not cut off',
    PATIENCE_MS,
  );
  // What the client's library reads ahead, and how fast it comes, decides when their time begins: not before they paused.
  expect(performance.now() - pausedMs).toBeGreaterThan(CUT_OFF_AFTER_MS);

  expect(await reader.acknowledged(1, [sale(1)])).toMatchObject({ ackedSequence: 1n });
  await reader.finish();
  for (const [nth, stream] of streams.entries()) {
    stream.resume();
    await stream.untilEnd();
    expect(stream.failure).toMatchObject({ code: 'CANCELLED' });
    // What was acknowledged is durable, and the service has read no further than it was read.
    const again = await Syncing.open(connect(service), stores[nth]!, { epoch: stream.epoch });
    expect(again.acked).toBeGreaterThanOrEqual(stream.acked);
    expect(again.acked).toBeLessThan(BigInt(MESSAGES));
    await again.finish();
  }
  const stocks = await auditStocks(database.url);
  expect(stocks.filter((stock) => !sumsUp(stock))).toEqual([]);
  await stage.expectServicesAlive();
}, 600_000);

test('what waits for a store to read it does so for 30 s, then the stream is cut off', async () => {
  const { service } = await putUp();
  await expectInTime(async (attempt) => {
    const stream = stage.keep(
      await UnreadStream.open(service.grpcAddress, `unread-${attempt}`),
      async (one) => one.close(),
    );
    // Each acknowledgement is about as large as the window.
    for (let sequence = 1n; sequence <= 4n; sequence++)
      stream.send({ epoch: 1n, sequence, operations: Array.from({ length: 500 }, () => sale(1)) });
    await until(async () => stream.isFull, 'INVALID: nothing waits to be read', PATIENCE_MS);
    const sinceMs = performance.now();
    await until(async () => stream.endedMs !== undefined, 'it is not cut off', PATIENCE_MS);
    expect(stream.isCancelled).toBe(true);
    const afterMs = stream.endedMs! - sinceMs;
    note(`who reads nothing is cut off ${(afterMs / 1_000).toFixed(2)} s after something waits`);
    expect(afterMs).toBeGreaterThan(CUT_OFF_AFTER_MS - CUT_OFF_WITHIN_MS);
    const kept = afterMs < CUT_OFF_AFTER_MS + CUT_OFF_WITHIN_MS;
    return [{ what: `cut off after ${Math.round(afterMs)} ms`, kept }];
  });
}, 300_000);
