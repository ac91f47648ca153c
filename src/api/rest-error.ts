import type { FastifyReply } from 'fastify';
import type { ErrorReason, InventoryError } from '../domain/errors.js';
import { ERROR_DOMAIN, ERROR_TABLE, wireMessage } from './errors.js';
import { nowText } from './rest-time.js';

/** How REST tells errors: the members of the original system's envelope, and beside them those of RFC 9457. */

/** What is wrong with one field, or with one operation of a batch. */
export interface RestErrorItem {
  /** By its path, as in `operations[3].delta`; a header by its name. */
  readonly field: string;
  readonly description: string;
  /** Of an operation of a batch, as all below. */
  readonly reason?: string | undefined;
  readonly productId?: string;
  readonly eventId?: string;
}

export interface RestErrorBody {
  readonly success: false;
  readonly message: string;
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly reason: ErrorReason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly errors: readonly RestErrorItem[];
  readonly timestamp: string;
}

/**
 * Sends the error with its status, and says when to try again where that helps.
 *
 * @param httpStatus where HTTP knows better than the reason's own.
 */
export function sendError(reply: FastifyReply, error: InventoryError, httpStatus?: number): FastifyReply {
  const { code } = ERROR_TABLE[error.reason];
  if (code === 'UNAVAILABLE' || error.retryDelayMs !== undefined) {
    reply.header('Retry-After', Math.max(1, Math.ceil((error.retryDelayMs ?? 0) / 1000)));
  }
  if (error.metadata.replayed === 'true') reply.header('Idempotent-Replayed', 'true');
  const body = errorBody(error, httpStatus);
  // As text it passes by the serializers of the routes.
  return reply
    .code(body.status)
    .header('Cache-Control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(body));
}

export function errorBody(
  error: InventoryError,
  status: number = ERROR_TABLE[error.reason].httpStatus,
): RestErrorBody {
  const { reason, metadata, violations } = error;
  const message = wireMessage(error);
  return {
    success: false,
    message,
    type: problemType(reason),
    title: problemTitle(reason),
    status,
    detail: message,
    reason,
    metadata,
    errors: violations,
    timestamp: nowText(),
  };
}

/** A name, not an address: RFC 9457 suggests a tag URI (RFC 4151) where there is nothing to be fetched. */
export const problemType = (reason: ErrorReason): string => `tag:${ERROR_DOMAIN},2026:${reason}`;

/** The reason in words, always the same: `Insufficient stock`. */
export function problemTitle(reason: ErrorReason): string {
  const words = reason.replaceAll('_', ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
