import type { status } from '@grpc/grpc-js';
import type { ErrorReason, FieldViolation } from '../domain/errors.js';
import { InventoryError } from '../domain/errors.js';

/** `domain` of every google.rpc.ErrorInfo. */
export const ERROR_DOMAIN = 'inventory.onhand.dev';

export type CanonicalCode = keyof typeof status;

export interface ErrorKind {
  readonly code: CanonicalCode;
  /** Over REST; over Connect the status follows from the code. */
  readonly httpStatus: number;
}

/** What each reason becomes, on every transport. The one place that says so. */
export const ERROR_TABLE = {
  INVALID_FIELD: { code: 'INVALID_ARGUMENT', httpStatus: 400 },
  MALFORMED_MESSAGE: { code: 'INVALID_ARGUMENT', httpStatus: 400 },
  MESSAGE_TOO_LARGE: { code: 'RESOURCE_EXHAUSTED', httpStatus: 413 },
  STOCK_NOT_FOUND: { code: 'NOT_FOUND', httpStatus: 404 },
  INSUFFICIENT_STOCK: { code: 'FAILED_PRECONDITION', httpStatus: 400 },
  STOCK_LIMIT: { code: 'FAILED_PRECONDITION', httpStatus: 400 },
  EVENT_ID_REUSED: { code: 'FAILED_PRECONDITION', httpStatus: 409 },
  BATCH_REFUSED: { code: 'FAILED_PRECONDITION', httpStatus: 400 },
  VERSION_NOT_REACHED: { code: 'FAILED_PRECONDITION', httpStatus: 409 },
  PAGE_TOKEN_INVALID: { code: 'INVALID_ARGUMENT', httpStatus: 400 },
  QUEUE_FULL: { code: 'RESOURCE_EXHAUSTED', httpStatus: 429 },
  DEADLINE_EXCEEDED: { code: 'DEADLINE_EXCEEDED', httpStatus: 504 },
  DATABASE_UNAVAILABLE: { code: 'UNAVAILABLE', httpStatus: 503 },
  OUTCOME_UNKNOWN: { code: 'UNAVAILABLE', httpStatus: 503 },
  SHUTTING_DOWN: { code: 'UNAVAILABLE', httpStatus: 503 },
  RESYNC: { code: 'OUT_OF_RANGE', httpStatus: 410 },
  SEQUENCE_GAP: { code: 'OUT_OF_RANGE', httpStatus: 409 },
  LOG_FORKED: { code: 'FAILED_PRECONDITION', httpStatus: 409 },
  EPOCH_SUPERSEDED: { code: 'FAILED_PRECONDITION', httpStatus: 409 },
  STREAM_SUPERSEDED: { code: 'ABORTED', httpStatus: 409 },
  UNAUTHENTICATED: { code: 'UNAUTHENTICATED', httpStatus: 401 },
  PERMISSION_DENIED: { code: 'PERMISSION_DENIED', httpStatus: 403 },
  RATE_LIMITED: { code: 'RESOURCE_EXHAUSTED', httpStatus: 429 },
  UNIMPLEMENTED: { code: 'UNIMPLEMENTED', httpStatus: 501 },
  INTERNAL: { code: 'INTERNAL', httpStatus: 500 },
} as const satisfies Record<ErrorReason, ErrorKind>;

/** What only HTTP refuses: with which reason, and with which status instead of the reason's own. */
export const HTTP_REFUSALS = {
  UNKNOWN_PATH: { reason: 'UNIMPLEMENTED', httpStatus: 404 },
  METHOD_NOT_ALLOWED: { reason: 'UNIMPLEMENTED', httpStatus: 405 },
  NOT_ACCEPTABLE: { reason: 'INVALID_FIELD', httpStatus: 406 },
  INCOMPLETE_REQUEST: { reason: 'MALFORMED_MESSAGE', httpStatus: 408 },
  UNSUPPORTED_MEDIA_TYPE: { reason: 'MALFORMED_MESSAGE', httpStatus: 415 },
  HEADERS_TOO_LARGE: { reason: 'MESSAGE_TOO_LARGE', httpStatus: 431 },
} as const satisfies Record<string, { reason: ErrorReason; httpStatus: number }>;

const INTERNAL_MESSAGE = 'Internal error';
const MESSAGE_LIMIT_BYTES = 1024;

/** A message, decoded, may have at most this many bytes; only the messages of Sync may have more. */
export const UNARY_LIMIT_BYTES = 256 * 1024;

/**
 * What a caller may see of anything that was thrown: what is not an InventoryError is a defect and becomes INTERNAL,
 * with the thrown value as `cause` for the log and nothing of it in the text.
 */
export function toInventoryError(thrown: unknown): InventoryError {
  if (!(thrown instanceof InventoryError))
    return new InventoryError('INTERNAL', INTERNAL_MESSAGE, { cause: thrown });
  if (thrown.reason !== 'INTERNAL' || thrown.message === INTERNAL_MESSAGE) return thrown;
  return new InventoryError('INTERNAL', INTERNAL_MESSAGE, { cause: thrown, metadata: thrown.metadata });
}

/**
 * The error of a request with wrong fields.
 *
 * @param total how many are wrong, where not all of them are given.
 */
export function invalidFields(
  violations: readonly FieldViolation[],
  total = violations.length,
): InventoryError {
  const shown = violations.slice(0, 3).map((violation) => violation.description);
  if (total > shown.length) shown.push(`and ${total - shown.length} more`);
  return new InventoryError('INVALID_FIELD', shown.join('; '), { violations });
}

/** The error of a message that cannot be decoded. `hint` says what is wrong with it, where that is known. */
export function malformedMessage(what: string, hint = '', cause?: unknown): InventoryError {
  const message = `${what} cannot be decoded${hint === '' ? '' : `: ${hint}`}`;
  return new InventoryError('MALFORMED_MESSAGE', message, { cause });
}

/** The error of a message above the limit. */
export function messageTooLarge(limitBytes = UNARY_LIMIT_BYTES): InventoryError {
  const message = `The message is larger than ${limitBytes} bytes; send less at once`;
  return new InventoryError('MESSAGE_TOO_LARGE', message, {
    metadata: { limit_bytes: String(limitBytes) },
  });
}

/**
 * An error's message as every transport can carry it: well-formed Unicode (a lone surrogate would break the
 * percent-encoding of `grpc-message`), at most 1 KB.
 */
export function wireMessage(error: InventoryError): string {
  const bytes = Buffer.from(error.message);
  if (bytes.length <= MESSAGE_LIMIT_BYTES) return bytes.toString();
  let end = MESSAGE_LIMIT_BYTES - 3;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}…`;
}
