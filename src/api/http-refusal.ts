import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorDetails } from '../domain/errors.js';
import { InventoryError } from '../domain/errors.js';
import { accepts } from './accept-header.js';
import type { AllowedMethods } from './allowed-methods.js';
import type { Calls } from './call.js';
import { HTTP_REFUSALS, malformedMessage, messageTooLarge } from './errors.js';
import { tellRequestId } from './request-id.js';
import { sendError } from './rest-error.js';

/** What HTTP refuses before a handler is reached. */

/** Thrown by hooks and parsers: an error that is not counted yet. */
export class RefusedRequest extends Error {
  constructor(
    readonly error: InventoryError,
    /** Where HTTP has a more exact one than the reason's own. */
    readonly httpStatus?: number,
  ) {
    super(error.message);
  }
}

/** One of the refusals that only HTTP has. */
export function refusedByHttp(
  name: keyof typeof HTTP_REFUSALS,
  message: string,
  details?: ErrorDetails,
): RefusedRequest {
  const { reason, httpStatus } = HTTP_REFUSALS[name];
  return new RefusedRequest(new InventoryError(reason, message, details), httpStatus);
}

const malformed = (what: string, hint: string) => (cause: unknown) =>
  new RefusedRequest(malformedMessage(what, hint, cause));

/** What Fastify finds wrong with a request. All else that is thrown here is a defect. */
const FRAMEWORK_ERRORS: Readonly<Record<string, (cause: unknown) => RefusedRequest>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new RefusedRequest(messageTooLarge()),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: (cause) =>
    refusedByHttp('UNSUPPORTED_MEDIA_TYPE', 'The Content-Type of the body must be application/json', {
      cause,
    }),
  FST_ERR_CTP_EMPTY_JSON_BODY: malformed('The body', 'it is empty'),
  FST_ERR_CTP_INVALID_JSON_BODY: malformed('The body', 'it is not valid JSON'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: malformed('The body', 'its Content-Length is wrong'),
  // There is nobody to answer; it is no defect of ours.
  ECONNRESET: malformed('The body', 'it broke off'),
  FST_ERR_BAD_URL: malformed('The URL', 'its percent-encoding is broken'),
  FST_ERR_MAX_PARAM_LENGTH: malformed('The URL', 'an id in its path is too long'),
};

/** Answers whatever was thrown on the way of a REST request. */
export function answerError(
  calls: Calls,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  // What the calls threw is counted and logged already.
  if (thrown instanceof InventoryError) {
    sendError(reply, thrown);
    return;
  }
  const { code = '' } = thrown as Partial<FastifyError>;
  const refused = thrown instanceof RefusedRequest ? thrown : FRAMEWORK_ERRORS[code]?.(thrown);
  const rpc = request.routeOptions.config?.rpc ?? 'unknown';
  const error = calls.refuse(rpc, 'REST', refused?.error ?? thrown, request.id);
  sendError(reply, error, refused?.httpStatus);
}

/** Answers a request that Fastify refuses so early that no hook has seen it. */
export function answerFrameworkError(
  calls: Calls,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  tellRequestId(request, reply, () => answerError(calls, error, request, reply));
}

/** Tells which methods a path has, or that there is none. */
export function answerNotFound(allowed: AllowedMethods, request: FastifyRequest, reply: FastifyReply): void {
  const methods = allowed.of(request.url.split('?', 1)[0]!);
  if (methods.length === 0) throw refusedByHttp('UNKNOWN_PATH', 'Nothing is served at this path');
  const list = [...methods, 'OPTIONS'].join(', ');
  reply.header('Allow', list);
  if (request.method === 'OPTIONS') {
    reply.code(204).send();
    return;
  }
  const message = `${request.method} is not served at this path; served are ${list}`;
  throw refusedByHttp('METHOD_NOT_ALLOWED', message);
}

/** An onRequest hook: what can only be answered in JSON, say, is not done for a caller that does not take it. */
export function refuseOtherTypes(
  request: FastifyRequest,
  _reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const { contentType = 'application/json' } = request.routeOptions.config;
  if (accepts(request.headers.accept, contentType)) {
    done();
    return;
  }
  const description = `Accept must allow ${contentType}`;
  done(refusedByHttp('NOT_ACCEPTABLE', description, { violations: [{ field: 'Accept', description }] }));
}
