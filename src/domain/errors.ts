/** Every reason for which Onhand refuses; one to one with inventory.v1.ErrorReason. */
export const ERROR_REASONS = [
  'INVALID_FIELD',
  'MALFORMED_MESSAGE',
  'MESSAGE_TOO_LARGE',
  'STOCK_NOT_FOUND',
  'INSUFFICIENT_STOCK',
  'STOCK_LIMIT',
  'EVENT_ID_REUSED',
  'BATCH_REFUSED',
  'VERSION_NOT_REACHED',
  'PAGE_TOKEN_INVALID',
  'QUEUE_FULL',
  'DEADLINE_EXCEEDED',
  'DATABASE_UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'SHUTTING_DOWN',
  'RESYNC',
  'SEQUENCE_GAP',
  'LOG_FORKED',
  'EPOCH_SUPERSEDED',
  'STREAM_SUPERSEDED',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'RATE_LIMITED',
  'UNIMPLEMENTED',
  'INTERNAL',
] as const;

export type ErrorReason = (typeof ERROR_REASONS)[number];

/** One field that is wrong, by its path in lowerCamelCase (`operations[3].quantity`). */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What an error tells beside its message. */
export interface ErrorDetails {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly retryDelayMs?: number;
  /** For the log only; never leaves the process. */
  readonly cause?: unknown;
}

/** The one error that leaves Onhand. Its message is for the caller: what is wrong, where, and what to do. */
export class InventoryError extends Error {
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly retryDelayMs: number | undefined;

  constructor(
    readonly reason: ErrorReason,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'InventoryError';
    this.metadata = details.metadata ?? {};
    this.violations = details.violations ?? [];
    this.retryDelayMs = details.retryDelayMs;
  }
}

/** More ids than this would make trailers that some clients do not take. */
const NAMED_EVENT_IDS = 32;

/**
 * The ids to ask again with, as an error's metadata. Those of a large batch are left out: who sends one makes its ids,
 * and keeps them.
 */
export function eventIdMetadata(eventIds: readonly string[]): Record<string, string> {
  if (eventIds.length === 1) return { event_id: eventIds[0]! };
  return eventIds.length === 0 || eventIds.length > NAMED_EVENT_IDS ? {} : { event_ids: eventIds.join(',') };
}
