import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { createConnectRouter, createContextKey, createContextValues } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerResponse } from '@connectrpc/connect/protocol';
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { InventoryError } from '../domain/errors.js';
import { InventoryService } from '../gen/connect/inventory/v1/inventory_service_pb.js';
import type { Calls } from './call.js';
import { COMPRESS_FROM_BYTES } from './compression.js';
import { amendError, amendStream } from './connect-amend.js';
import { toConnectError } from './error-details.js';
import { malformedMessage, UNARY_LIMIT_BYTES } from './errors.js';
import { refusedByHttp } from './http-refusal.js';
import {
  RPC_NAMES,
  type RpcKey,
  type StreamedRpc,
  type StreamedRpcs,
  type UnaryRpc,
  type UnaryRpcs,
} from './rpcs.js';

/** Fastify's, in the context of a call. */
const REQUEST_ID = createContextKey('');

/**
 * Mounts Connect and gRPC-Web at /inventory.v1.InventoryService/*, with the same handlers as native gRPC. The library's
 * own Fastify plugin is not used: it reads the body itself and answers one that is too large, or that it cannot decode,
 * without ErrorInfo.
 */
export function addConnect(app: FastifyInstance, calls: Calls): void {
  const router = createConnectRouter({
    grpc: false,
    grpcWeb: true,
    connect: true,
    readMaxBytes: UNARY_LIMIT_BYTES,
    // Longer deadlines than 30 s are cut by the calls, not refused; only what no timer can hold is refused here.
    maxTimeoutMs: 2 ** 31 - 1,
    acceptCompression: [compressionGzip],
    // Errors that the library makes are never so long.
    compressMinBytes: COMPRESS_FROM_BYTES,
    jsonOptions: { alwaysEmitImplicit: true, ignoreUnknownFields: true },
  });
  router.service(InventoryService, implementation(calls));
  app.register(async (scope) => {
    // The library reads the body from the raw request.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const handler of router.handlers) {
      const rpc = handler.method.localName as RpcKey;
      const method = [...handler.allowedMethods] as ('GET' | 'POST')[];
      const serve = handler.method.methodKind === 'unary' ? serveUnary : serveStream;
      scope.route({
        method,
        url: handler.requestPath,
        exposeHeadRoute: false,
        config: { rpc },
        handler: (request, reply) => serve(calls, handler, request, reply),
      });
    }
  });
}

type Implementation = ServiceImpl<typeof InventoryService>;

function implementation(calls: Calls): Implementation {
  // Both generators make the same shapes; only, ts-proto's enums have UNRECOGNIZED besides, which is never answered.
  const unary = <R extends UnaryRpc>(rpc: R) =>
    unaryImplementation(calls, rpc) as unknown as Implementation[R];
  const onlyOverGrpc = new InventoryError(
    'UNIMPLEMENTED',
    'Sync is served over native gRPC only; Apply sends the same operations in one call',
  );
  return {
    get: unary('get'),
    batchGet: unary('batchGet'),
    list: unary('list'),
    sell: unary('sell'),
    restock: unary('restock'),
    apply: unary('apply'),
    listEvents: unary('listEvents'),
    sync: () => refusedStream(calls, 'sync', onlyOverGrpc),
    watch: streamImplementation(calls, 'watch') as unknown as Implementation['watch'],
  };
}

function unaryImplementation<R extends UnaryRpc>(calls: Calls, rpc: R) {
  return async (
    request: UnaryRpcs[R]['request'],
    context: HandlerContext,
  ): Promise<UnaryRpcs[R]['response']> => {
    const deadlineMs = deadlineOf(context);
    try {
      const requestId = context.values.get(REQUEST_ID);
      return await calls.run(rpc, 'CONNECT', () => request, { deadlineMs, requestId });
    } catch (error) {
      throw toConnectError(error as InventoryError);
    }
  };
}

function streamImplementation<R extends StreamedRpc>(calls: Calls, rpc: R) {
  return async function* (
    request: StreamedRpcs[R]['request'],
    context: HandlerContext,
  ): AsyncGenerator<StreamedRpcs[R]['response']> {
    const { signal } = context;
    const facts = { deadlineMs: deadlineOf(context), requestId: context.values.get(REQUEST_ID), signal };
    try {
      yield* calls.stream(rpc, 'CONNECT', () => request, facts);
    } catch (error) {
      throw toConnectError(error as InventoryError);
    }
  };
}

/** On the clock of performance.now(). */
function deadlineOf(context: HandlerContext): number | undefined {
  const timeoutMs = context.timeoutMs();
  return timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
}

function refusedStream(calls: Calls, rpc: RpcKey, error: InventoryError): AsyncIterable<never> {
  const next = () => Promise.reject(toConnectError(calls.refuse(rpc, 'CONNECT', error)));
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** The answer is gathered before it is sent: an error that the library made gets its details first. */
async function serveUnary(
  calls: Calls,
  handler: UniversalHandler,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const response = await handler(toUniversalRequest(request, reply));
  refuseUnknownType(response);
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) chunks.push(chunk);
  const rpc = handler.method.localName as UnaryRpc;
  if (reply.raw.destroyed && !request.raw.complete) {
    // The library takes a broken connection for a defect; there is nobody to answer.
    const error = malformedMessage(`The ${RPC_NAMES[rpc]} request`, 'it broke off');
    calls.refuse(rpc, 'CONNECT', error, request.id);
    return reply.hijack();
  }
  const { status, body } = amendError(calls, rpc, response, Buffer.concat(chunks));
  response.header?.delete('content-length');
  for (const [name, value] of response.header ?? []) reply.header(name, value);
  // What is left of a body that was too large would be taken for the next request.
  if (!request.raw.complete) reply.header('connection', 'close');
  return reply.code(status).send(body);
}

async function serveStream(
  calls: Calls,
  handler: UniversalHandler,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  // Over HTTP/1.1 the library refuses streams both ways by itself, without a word on what to use instead.
  const response = await handler({ ...toUniversalRequest(request, reply), httpVersion: '2.0' });
  refuseUnknownType(response);
  // What the hooks have set, since Fastify does not send this answer.
  for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value!);
  reply.hijack();
  // A client that goes away in between is nothing to tell anybody.
  const body = amendStream(calls, handler.method.localName as RpcKey, response);
  await universalResponseToNodeResponse({ ...response, body }, reply.raw).catch(() => {
    reply.raw.destroy();
  });
}

/** The library answers a content type that it does not know without a word. */
function refuseUnknownType({ status }: UniversalServerResponse): void {
  if (status !== 415) return;
  const message =
    'The Content-Type must be application/json or application/proto, for gRPC-Web application/grpc-web+proto or +json';
  throw refusedByHttp('UNSUPPORTED_MEDIA_TYPE', message);
}

function toUniversalRequest(request: FastifyRequest, reply: FastifyReply) {
  try {
    const context = createContextValues().set(REQUEST_ID, request.id);
    return universalRequestFromNodeRequest(request.raw, reply.raw, undefined, context);
  } catch (error) {
    throw malformedMessage('The request', 'its Host header is not valid', error);
  }
}
