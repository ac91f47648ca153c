import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { SellResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Calls } from './call.js';
import { notServedYet } from './handlers.js';
import {
  BATCH_GET_SCHEMA,
  batchGetAnswer,
  GET_SCHEMA,
  getAnswer,
  LIST_SCHEMA,
  listAnswer,
  MOVEMENT_SCHEMA,
  movementAnswer,
} from './rest-answer.js';
import { readBatchGet, readGet, readList, readMovement } from './rest-body.js';
import type { RpcKey } from './rpcs.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route serves, for the metrics of requests that fail before they reach it. */
    rpc?: RpcKey;
  }
}

/** The original system's endpoints, and what belongs beside them: thin routes to the same handlers as over gRPC. */
export function addRest(app: FastifyInstance, calls: Calls): void {
  addReads(app, calls);
  addMovement(app, calls, 'sell', 'Sale processed successfully');
  addMovement(app, calls, 'restock', 'Restock processed successfully');
  app.post('/api/v1/inventory/sync', { config: { rpc: 'apply' } }, async () => {
    throw calls.refuse('apply', 'REST', notServedYet('apply'));
  });
}

function addReads(app: FastifyInstance, calls: Calls): void {
  app.get('/api/v1/inventory', { schema: GET_SCHEMA, config: { rpc: 'get' } }, async (request) =>
    getAnswer(await calls.run('get', 'REST', () => readGet(request.query))),
  );
  app.post(
    '/api/v1/inventory/batch-get',
    { schema: BATCH_GET_SCHEMA, config: { rpc: 'batchGet' } },
    async (request) => batchGetAnswer(await calls.run('batchGet', 'REST', () => readBatchGet(request.body))),
  );
  const list = async (request: FastifyRequest) => {
    const path = request.params as { storeId?: string; productId?: string };
    return listAnswer(await calls.run('list', 'REST', () => readList(path, request.query)));
  };
  const options = { schema: LIST_SCHEMA, config: { rpc: 'list' } } as const;
  app.get('/api/v1/stores/:storeId/inventory', options, list);
  app.get('/api/v1/products/:productId/inventory', options, list);
}

function addMovement(app: FastifyInstance, calls: Calls, rpc: 'sell' | 'restock', message: string): void {
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    const decode = () => readMovement(request.body, request.headers['idempotency-key']);
    const response: SellResponse = await calls.run(rpc, 'REST', decode);
    if (response.replayed) reply.header('Idempotent-Replayed', 'true');
    return movementAnswer(message, response);
  };
  app.post(`/api/v1/inventory/${rpc}`, { schema: MOVEMENT_SCHEMA, config: { rpc } }, serve);
}
