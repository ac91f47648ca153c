import { fastify } from 'fastify';
import { Calls } from '../src/api/call.js';
import { InventoryHandlers } from '../src/api/handlers.js';
import { Readiness } from '../src/api/health.js';
import { startHttpServer } from '../src/api/http.js';
import { named } from '../src/api/json-schemas.js';
import { ANSWER_SCHEMAS } from '../src/api/rest-schemas.js';
import type { Watches } from '../src/feed/watch.js';
import type { Ledger } from '../src/ledger/ledger.js';
import type { SyncStreams } from '../src/sync/sync-streams.js';
import { createLogger } from '../src/telemetry/logger.js';
import { createMetrics } from '../src/telemetry/metrics.js';
import { memoryReads } from './memory-reads.js';

/**
 * A child of the REST benchmark: our HTTP server over a local cache that holds all stocks, or (argument `empty`) a Fastify
 * route that answers one fixed object through the same schema.
 */

const HOST = '127.0.0.1';

async function startOnhand(): Promise<number> {
  const metrics = createMetrics();
  const handlers = new InventoryHandlers({
    ledger: {} as Ledger,
    reads: memoryReads(metrics.reads),
    watches: {} as Watches,
    syncs: {} as SyncStreams,
    commandDecided: metrics.ledger.commandDecided,
  });
  const logger = createLogger('info');
  const calls = new Calls({ handlers, metrics: metrics.requests, logger });
  const readiness = new Readiness({ ready: () => true, writable: () => true });
  return (await startHttpServer({ host: HOST, port: 0, calls, readiness, corsOrigins: [], logger })).port;
}

async function startEmpty(): Promise<number> {
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

const port = await (process.argv[2] === 'empty' ? startEmpty() : startOnhand());
process.send?.({ port });
process.on('disconnect', () => process.exit());
