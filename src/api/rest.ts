import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import type { ApplyRequest, SellResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Calls } from './call.js';
import { named } from './json-schemas.js';
import { batchGetAnswer, getAnswer, listAnswer, movementAnswer } from './rest-answer.js';
import { readBatchGet, readGet, readList, readMovement } from './rest-body.js';
import { eventsAnswer, readListEvents } from './rest-events.js';
import { ANSWER_SCHEMAS } from './rest-schemas.js';
import { inRestNames, readSync, sendSync } from './rest-sync.js';
import type { RpcKey } from './rpcs.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route serves, for the metrics of requests that fail before they reach it. */
    rpc?: RpcKey;
  }
}

/** The original system's endpoints, and what belongs beside them: thin routes to the same handlers as over gRPC. */
export function addRest(app: FastifyInstance, calls: Calls): void {
  for (const schema of ANSWER_SCHEMAS) app.addSchema(schema);
  addGet(app, calls);
  addReadsOfMany(app, calls);
  addMovement(app, calls, 'sell', 'Sale processed successfully');
  addMovement(app, calls, 'restock', 'Restock processed successfully');
  addSync(app, calls);
}

function addGet(app: FastifyInstance, calls: Calls): void {
  const schema = answers('StockAnswer');
  app.get('/api/v1/inventory', { schema, config: { rpc: 'get' } }, async (request, reply) => {
    const response = await calls.run('get', 'REST', () => readGet(request.query));
    const tag = entityTag(response.stock!.version);
    reply.header('ETag', tag).header('Cache-Control', REVALIDATE);
    if (isNamed(tag, request.headers['if-none-match'])) return reply.code(304).send();
    return getAnswer(response);
  });
}

function addReadsOfMany(app: FastifyInstance, calls: Calls): void {
  app.post(
    '/api/v1/inventory/batch-get',
    { schema: answers('StockBatchAnswer'), config: { rpc: 'batchGet' } },
    async (request) => batchGetAnswer(await calls.run('batchGet', 'REST', () => readBatchGet(request.body))),
  );
  const list = async (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.params as { storeId?: string; productId?: string };
    reply.header('Cache-Control', REVALIDATE);
    return listAnswer(await calls.run('list', 'REST', () => readList(path, request.query)));
  };
  const options = { schema: answers('StockPageAnswer'), config: { rpc: 'list' } } as const;
  app.get('/api/v1/stores/:storeId/inventory', options, list);
  app.get('/api/v1/products/:productId/inventory', options, list);
  app.get(
    '/api/v1/inventory/events',
    { schema: answers('EventPageAnswer'), config: { rpc: 'listEvents' } },
    async (request, reply) => {
      reply.header('Cache-Control', REVALIDATE);
      return eventsAnswer(await calls.run('listEvents', 'REST', () => readListEvents(request.query)));
    },
  );
}

function addMovement(app: FastifyInstance, calls: Calls, rpc: 'sell' | 'restock', message: string): void {
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    const decode = () => readMovement(request.body, request.headers['idempotency-key']);
    const response: SellResponse = await calls.run(rpc, 'REST', decode);
    if (response.replayed) reply.header('Idempotent-Replayed', 'true');
    return movementAnswer(message, response);
  };
  app.post(`/api/v1/inventory/${rpc}`, { schema: answers('MovementAnswer'), config: { rpc } }, serve);
}

function addSync(app: FastifyInstance, calls: Calls): void {
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    let batch: ApplyRequest | undefined;
    const decode = () => {
      batch = readSync(request.body, request.headers['idempotency-key']);
      return batch;
    };
    const response = await calls.run('apply', 'REST', decode).catch((error: unknown) => {
      throw batch === undefined ? error : inRestNames(error, batch);
    });
    return sendSync(reply, batch!, response);
  };
  app.post('/api/v1/inventory/sync', { schema: answers('SyncAnswer'), config: { rpc: 'apply' } }, serve);
}

const answers = (name: string): FastifySchema => ({ response: { 200: named(name) } });

/** Caches may keep the answer, and must ask before they use it. */
const REVALIDATE = 'no-cache';

/** Weak: the same version may come with another time and age. */
const entityTag = (version: bigint): string => `W/"${version}"`;

/** Whether a header If-None-Match has this tag in it; weak and strong ones are compared alike. */
function isNamed(tag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  const opaque = tag.slice(2);
  return ifNoneMatch.split(',').some((each) => ['*', opaque, tag].includes(each.trim()));
}
