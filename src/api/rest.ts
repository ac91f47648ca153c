import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ApplyRequest, GetResponse, SellResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Calls } from './call.js';
import { LONG_ANSWERS } from './compression.js';
import { entityTagOf, isUnchanged } from './entity-tag.js';
import { refuseOtherTypes } from './http-refusal.js';
import { addJsonBody } from './json-body.js';
import { batchGetAnswer, getAnswer, listAnswer, movementAnswer } from './rest-answer.js';
import { readBatchGet, readGet, readList, readMovement } from './rest-body.js';
import { eventsAnswer, readListEvents } from './rest-events.js';
import {
  BATCH_GET,
  GET,
  LIST_EVENTS,
  LIST_OF_PRODUCT,
  LIST_OF_STORE,
  RESTOCK,
  SELL,
  SYNC,
} from './rest-operations.js';
import { REQUEST_SCHEMAS } from './rest-request-schemas.js';
import { ANSWER_SCHEMAS } from './rest-schemas.js';
import { inRestNames, readSync, sendSync } from './rest-sync.js';
import { addWatch } from './rest-watch.js';

/** The original system's endpoints, and what belongs beside them: thin routes to the same handlers as over gRPC. */
export function addRest(app: FastifyInstance, calls: Calls): void {
  app.register(async (scope) => {
    for (const schema of [...ANSWER_SCHEMAS, ...REQUEST_SCHEMAS]) scope.addSchema(schema);
    // The schemas of requests only describe; what is right is decided once, for every transport.
    scope.setValidatorCompiler(() => () => true);
    scope.addHook('onRequest', refuseOtherTypes);
    addJsonBody(scope);
    addGet(scope, calls);
    addReadsOfMany(scope, calls);
    addMovement(scope, calls, 'sell', 'Sale processed successfully');
    addMovement(scope, calls, 'restock', 'Restock processed successfully');
    addSync(scope, calls);
    addWatch(scope, calls);
  });
}

function addGet(app: FastifyInstance, calls: Calls): void {
  app.get('/api/v1/inventory', GET, (request, reply) => {
    const decode = () => readGet(request.query);
    const response = calls.run('get', 'REST', decode, { requestId: request.id });
    const answer = (found: GetResponse) => {
      const tag = entityTagOf(found);
      reply.header('ETag', tag).header('Cache-Control', REVALIDATE);
      if (isUnchanged(found, tag, request.headers['if-none-match'])) return reply.code(304).send();
      return getAnswer(found);
    };
    return response instanceof Promise ? response.then(answer) : answer(response);
  });
}

function addReadsOfMany(app: FastifyInstance, calls: Calls): void {
  app.post('/api/v1/inventory/batch-get', { ...BATCH_GET, ...LONG_ANSWERS }, async (request) => {
    const decode = () => readBatchGet(request.body);
    return batchGetAnswer(await calls.run('batchGet', 'REST', decode, { requestId: request.id }));
  });
  const list = async (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.params as { storeId?: string; productId?: string };
    reply.header('Cache-Control', REVALIDATE);
    const decode = () => readList(path, request.query);
    return listAnswer(await calls.run('list', 'REST', decode, { requestId: request.id }));
  };
  app.get('/api/v1/stores/:storeId/inventory', { ...LIST_OF_STORE, ...LONG_ANSWERS }, list);
  app.get('/api/v1/products/:productId/inventory', { ...LIST_OF_PRODUCT, ...LONG_ANSWERS }, list);
  app.get('/api/v1/inventory/events', { ...LIST_EVENTS, ...LONG_ANSWERS }, async (request, reply) => {
    reply.header('Cache-Control', REVALIDATE);
    const decode = () => readListEvents(request.query);
    return eventsAnswer(await calls.run('listEvents', 'REST', decode, { requestId: request.id }));
  });
}

function addMovement(app: FastifyInstance, calls: Calls, rpc: 'sell' | 'restock', message: string): void {
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    const decode = () => readMovement(request.body, request.headers['idempotency-key']);
    const response: SellResponse = await calls.run(rpc, 'REST', decode, { requestId: request.id });
    if (response.replayed) reply.header('Idempotent-Replayed', 'true');
    return movementAnswer(message, response);
  };
  app.post(`/api/v1/inventory/${rpc}`, rpc === 'sell' ? SELL : RESTOCK, serve);
}

function addSync(app: FastifyInstance, calls: Calls): void {
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    let batch: ApplyRequest | undefined;
    const decode = () => {
      batch = readSync(request.body, request.headers['idempotency-key']);
      return batch;
    };
    try {
      const response = await calls.run('apply', 'REST', decode, { requestId: request.id });
      return sendSync(reply, batch!, response);
    } catch (error) {
      throw batch === undefined ? error : inRestNames(error, batch);
    }
  };
  app.post('/api/v1/inventory/sync', { ...SYNC, ...LONG_ANSWERS }, serve);
}

/** Caches may keep the answer, and must ask before they use it. */
const REVALIDATE = 'no-cache';
