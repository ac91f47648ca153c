import { cors } from '@connectrpc/connect';
import type { FastifyInstance } from 'fastify';
import { REQUEST_ID_HEADER } from './request-id.js';

const METHODS = ['HEAD', ...cors.allowedMethods].join(', ');
const REQUEST_HEADERS = [...cors.allowedHeaders, 'Idempotency-Key', 'If-None-Match', REQUEST_ID_HEADER].join(
  ', ',
);
/** What scripts may read of an answer; the details of gRPC-Web errors are among it. */
const ANSWER_HEADERS = [
  ...cors.exposedHeaders,
  'ETag',
  'Idempotent-Replayed',
  'Retry-After',
  REQUEST_ID_HEADER,
].join(', ');
/** Browsers keep the answer to a preflight for at most two hours. */
const MAX_AGE_S = 7_200;

/**
 * Lets pages of these origins call REST, Connect and gRPC-Web. Others are answered as if there were no CORS: their
 * browsers keep the answer from them. Without origins nothing is added.
 *
 * @param origins exact, such as `https://shop.example`.
 */
export function addCors(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const allowed = new Set(origins);
  app.addHook('onRequest', (request, reply, done) => {
    // Caches must not give one origin's answer to another.
    reply.header('Vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || !allowed.has(origin)) return done();
    reply.header('Access-Control-Allow-Origin', origin);
    const isPreflight =
      request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
    if (!isPreflight) {
      reply.header('Access-Control-Expose-Headers', ANSWER_HEADERS);
      return done();
    }
    reply
      .code(204)
      .headers({
        'Access-Control-Allow-Methods': METHODS,
        'Access-Control-Allow-Headers': REQUEST_HEADERS,
        'Access-Control-Max-Age': MAX_AGE_S,
      })
      .send();
  });
}
