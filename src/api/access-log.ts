import type { FastifyInstance } from 'fastify';
import type { Logger } from '../telemetry/logger.js';

/** Logs each HTTP request at debug. Above that level nothing is added to the way of a request. */
export function addAccessLog(app: FastifyInstance, logger: Logger): void {
  if (!logger.isLevelEnabled('debug')) return;
  app.addHook('onResponse', (request, reply, done) => {
    const { method, id: requestId } = request;
    // Without the query: what is in it is the caller's.
    const path = request.url.split('?', 1)[0];
    const { statusCode: status, elapsedTime: elapsedMs } = reply;
    logger.debug({ method, path, status, elapsedMs, requestId }, 'An HTTP request was answered');
    done();
  });
}
