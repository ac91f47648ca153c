import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Request ids: taken from the caller where they are sane, made where not, and told in every answer and log line. */

export const REQUEST_ID_HEADER = 'X-Request-Id';

/** Nothing that could break a log line or a header, or be long. */
const SANE = /^[\w.:/+=@-]{1,128}$/;

/** This process's own, so that ids are unique over all processes. */
const PROCESS = randomBytes(6).toString('hex');
let made = 0;

export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  if (typeof given === 'string' && SANE.test(given)) return given;
  made++;
  return `${PROCESS}-${made.toString(36)}`;
}

/** An onRequest hook. */
export function tellRequestId(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  reply.header(REQUEST_ID_HEADER, request.id);
  done();
}
