import type { AddressInfo } from 'node:net';
import { parse as parseQuery } from 'node:querystring';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastify } from 'fastify';
import { InventoryError } from '../domain/errors.js';
import { AllowedMethods } from './allowed-methods.js';
import { addApiDocs } from './api-docs.js';
import type { Calls } from './call.js';
import { addConnect } from './connect.js';
import { malformedMessage, messageTooLarge, UNARY_LIMIT_BYTES } from './errors.js';
import type { Readiness } from './health.js';
import { addOpenApi } from './openapi.js';
import { addRest } from './rest.js';
import { sendError } from './rest-error.js';
import { addWebPage } from './web-page.js';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly calls: Calls;
  readonly readiness: Readiness;
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

async function createApp({ calls, readiness }: HttpServerOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: UNARY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    // While it stops, calls are refused in their own protocols.
    return503OnClosing: false,
    routerOptions: {
      maxParamLength: PATH_PARAMETER_LIMIT,
      // Broken UTF-8 becomes U+FFFD, which no id may hold; Fastify's own parser would leave it encoded.
      querystringParser: (query) => parseQuery(query),
    },
    frameworkErrors: (error, request, reply) => answerError(calls, error, request, reply),
  });
  app.removeContentTypeParser('text/plain');
  const allowed = new AllowedMethods();
  app.addHook('onRoute', (route) => allowed.add(route.method, route.url));
  app.setErrorHandler<FastifyError>((error, request, reply) => answerError(calls, error, request, reply));
  app.setNotFoundHandler((request, reply) => answerNotFound(calls, allowed, request, reply));
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

/** What Fastify finds wrong with a request before it reaches a handler. All else that is thrown here is a defect. */
const FRAMEWORK_ERRORS: Readonly<Record<string, (cause: unknown) => InventoryError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: messageTooLarge,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: (cause) =>
    malformedMessage('The body', 'its Content-Type must be application/json', cause),
  FST_ERR_CTP_EMPTY_JSON_BODY: (cause) => malformedMessage('The body', 'it is empty', cause),
  FST_ERR_CTP_INVALID_JSON_BODY: (cause) => malformedMessage('The body', 'it is not valid JSON', cause),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: (cause) =>
    malformedMessage('The body', 'its Content-Length is wrong', cause),
  FST_ERR_BAD_URL: (cause) => malformedMessage('The URL', 'its percent-encoding is broken', cause),
  FST_ERR_MAX_PARAM_LENGTH: (cause) => malformedMessage('The URL', 'an id in its path is too long', cause),
};

function answerError(calls: Calls, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  // What the calls threw is counted and logged already.
  if (error instanceof InventoryError) {
    sendError(reply, error);
    return;
  }
  const { code = '', statusCode } = error as Partial<FastifyError>;
  const known =
    FRAMEWORK_ERRORS[code] ??
    (error instanceof SyntaxError ? FRAMEWORK_ERRORS.FST_ERR_CTP_INVALID_JSON_BODY : undefined);
  const refusal = calls.refuse(
    request.routeOptions.config?.rpc ?? 'unknown',
    'REST',
    known?.(error) ?? error,
  );
  sendError(reply, refusal, statusCode === 415 ? 415 : undefined);
}

function answerNotFound(
  calls: Calls,
  allowed: AllowedMethods,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const path = request.url.split('?', 1)[0]!;
  const methods = allowed.of(path);
  if (methods.length > 0) {
    const message = `${request.method} is not served at this path; ${methods.join(', ')} is`;
    reply.header('Allow', methods.join(', '));
    sendError(reply, calls.refuse('unknown', 'REST', new InventoryError('UNIMPLEMENTED', message)), 405);
    return;
  }
  const error = new InventoryError('UNIMPLEMENTED', 'Nothing is served at this path');
  sendError(reply, calls.refuse('unknown', 'REST', error), 404);
}

async function stop(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
  await app.close();
  clearTimeout(timer);
}
