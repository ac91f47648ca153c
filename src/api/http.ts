import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { fastify } from 'fastify';
import type { Logger } from '../telemetry/logger.js';
import { addAccessLog } from './access-log.js';
import { AllowedMethods } from './allowed-methods.js';
import { addApiDocs } from './api-docs.js';
import type { Calls } from './call.js';
import { answerClientError } from './client-error.js';
import { addConnect } from './connect.js';
import { addCors } from './cors.js';
import { UNARY_LIMIT_BYTES } from './errors.js';
import type { Readiness } from './health.js';
import { answerError, answerFrameworkError, answerNotFound } from './http-refusal.js';
import { addOpenApi } from './openapi.js';
import { parseQuery } from './query-string.js';
import { requestIdOf, tellRequestId } from './request-id.js';
import { addRest } from './rest.js';
import { addWebPage } from './web-page.js';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly calls: Calls;
  readonly readiness: Readiness;
  /** Origins whose pages may read the answers. */
  readonly corsOrigins: readonly string[];
  readonly logger: Logger;
}

export interface HttpServer {
  readonly port: number;
  /** Lets the running requests end, for at most this long; then cuts them off. */
  stop(graceMs: number): Promise<void>;
}

/** A request must have come in whole within this time. */
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 72_000;
/** An id of 50 characters of four bytes each, percent-encoded, has 600. */
const PATH_PARAMETER_LIMIT = 1_000;

/**
 * Starts the HTTP server: REST and its description, Connect, gRPC-Web, the web page, /healthz, /readyz.
 *
 * @throws Error with `code` EADDRINUSE and the address in its message where the port is taken.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = await createApp(options);
  await app.listen({ host: options.host, port: options.port });
  const { port } = app.server.address() as AddressInfo;
  return { port, stop: (graceMs) => stop(app, graceMs) };
}

async function createApp(options: HttpServerOptions): Promise<FastifyInstance> {
  const { calls, readiness, corsOrigins, logger } = options;
  const app = fastify({
    bodyLimit: UNARY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // While it stops, calls are refused in their own protocols.
    return503OnClosing: false,
    routerOptions: {
      maxParamLength: PATH_PARAMETER_LIMIT,
      querystringParser: parseQuery,
    },
    genReqId: requestIdOf,
    requestIdHeader: false,
    frameworkErrors: (error, request, reply) => answerFrameworkError(calls, error, request, reply),
    clientErrorHandler: (error, socket) => answerClientError(calls, error, socket),
  });
  app.removeContentTypeParser('text/plain');
  const allowed = new AllowedMethods();
  app.addHook('onRoute', (route) => allowed.add(route.method, route.url));
  app.setErrorHandler((error, request, reply) => answerError(calls, error, request, reply));
  app.setNotFoundHandler((request, reply) => answerNotFound(allowed, request, reply));
  app.addHook('onRequest', tellRequestId);
  addAccessLog(app, logger);
  addCors(app, corsOrigins);
  addHealthRoutes(app, readiness);
  await addOpenApi(app);
  addRest(app, calls);
  await addApiDocs(app);
  addConnect(app, calls);
  addWebPage(app);
  return app;
}

function addHealthRoutes(app: FastifyInstance, readiness: Readiness): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const { problem } = readiness;
    if (problem === undefined) return { status: 'ok' };
    return reply.code(503).send({ status: 'not ready', reason: problem });
  });
}

async function stop(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
  await app.close();
  clearTimeout(timer);
}
