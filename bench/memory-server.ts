import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import { fastify } from 'fastify';
import { Calls } from '../src/api/call.js';
import { startGrpcServer } from '../src/api/grpc.js';
import { InventoryHandlers } from '../src/api/handlers.js';
import { Readiness } from '../src/api/health.js';
import { startHttpServer } from '../src/api/http.js';
import { named } from '../src/api/json-schemas.js';
import { ANSWER_SCHEMAS } from '../src/api/rest-schemas.js';
import type { Watches } from '../src/feed/watch.js';
import { Source } from '../src/gen/grpc/inventory/v1/inventory.js';
import { type GetResponse, InventoryServiceService } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import type { Ledger } from '../src/ledger/ledger.js';
import type { ReadPath } from '../src/reads/read-path.js';
import type { SyncStreams } from '../src/sync/sync-streams.js';
import { createLogger } from '../src/telemetry/logger.js';
import { createMetrics, type ReadMetrics } from '../src/telemetry/metrics.js';
import { memoryReads, stubReads } from './memory-reads.js';
import type { MemoryServerKind } from './memory-server-process.js';

/**
 * A child of the benchmarks: one of our servers over a local cache that holds all stocks, or over a stub in place of the reads,
 * or one that answers the same fixed message through the same library, and does nothing else.
 */

const HOST = '127.0.0.1';

function onhand(readsOf: (observer: ReadMetrics) => ReadPath = memoryReads) {
  const metrics = createMetrics();
  const handlers = new InventoryHandlers({
    ledger: {} as Ledger,
    reads: readsOf(metrics.reads),
    watches: {} as Watches,
    syncs: {} as SyncStreams,
    commandDecided: metrics.ledger.commandDecided,
  });
  const logger = createLogger('info');
  return { calls: new Calls({ handlers, metrics: metrics.requests, logger }), logger };
}

async function startRest(readsOf?: (observer: ReadMetrics) => ReadPath): Promise<number> {
  const { calls, logger } = onhand(readsOf);
  const readiness = new Readiness({ ready: () => true, writable: () => true });
  return (await startHttpServer({ host: HOST, port: 0, calls, readiness, corsOrigins: [], logger })).port;
}

async function startGrpc(): Promise<number> {
  return (await startGrpcServer({ host: HOST, port: 0, calls: onhand().calls, services: [] })).port;
}

async function startEmptyRest(): Promise<number> {
  const data = {
    storeId: 'STORE_101',
    productId: 'PROD_1001',
    quantity: 100,
    oversold: 0,
    version: 1,
    lastUpdated: '2026-05-28T20:26:40.123456Z',
    cached: true,
    source: 'LOCAL_CACHE',
    maxAgeMs: 12,
    stale: false,
  };
  const answer = {
    success: true,
    message: 'Retrieved from cache',
    data,
    timestamp: '2026-05-28T20:26:40.123Z',
  };
  const app = fastify();
  for (const schema of ANSWER_SCHEMAS) app.addSchema(schema);
  app.get('/api/v1/inventory', { schema: { response: { 200: named('StockAnswer') } } }, async () => answer);
  return Number(new URL(await app.listen({ host: HOST, port: 0 })).port);
}

/** What every answer has. */
const STOCK = {
  ...{ storeId: 'STORE_101', productId: 'PROD_1001', quantity: 100, oversold: 0, version: 1n },
  createTime: { seconds: 1_780_000_000n, nanos: 123_456_000 },
  updateTime: { seconds: 1_780_000_000n, nanos: 123_456_000 },
};

function startEmptyGrpc(): Promise<number> {
  const answer: GetResponse = {
    stock: STOCK,
    source: Source.LOCAL_CACHE,
    cached: true,
    maxAgeMs: 12,
    stale: false,
  };
  const { get } = InventoryServiceService;
  const server = new Server();
  server.addService(
    { get },
    { get: (_call: unknown, callback: sendUnaryData<GetResponse>) => callback(null, answer) },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

const STARTS: Readonly<Record<MemoryServerKind, () => Promise<number>>> = {
  rest: () => startRest(),
  'rest route': () => startRest(stubReads),
  grpc: startGrpc,
  'empty rest': startEmptyRest,
  'empty grpc': startEmptyGrpc,
};

const port = await STARTS[process.argv[2] as MemoryServerKind]();
process.send?.({ port });
process.on('disconnect', () => process.exit());
