import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema } from '../contract.js';

/**
 * What a failed call means for a command that it carried:
 * - `refused`: decided, or never to be decided. Another try is another command.
 * - `not-done`: nothing changed. The same command may be sent again.
 * - `unknown`: it may have taken effect. Only the same command, with the same event id, may be sent again.
 */
export type Outcome = 'refused' | 'not-done' | 'unknown';

/** A failed call, in words for the person in front of the page. */
export interface Failure {
  readonly outcome: Outcome;
  /** The reason of the contract, such as INSUFFICIENT_STOCK; empty where no answer of the service came. */
  readonly reason: string;
  readonly text: string;
  /** The service's text for each field that is wrong, by the field's name in JSON. */
  readonly fields: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
}

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  QUEUE_FULL: 'not-done',
  RATE_LIMITED: 'not-done',
  SHUTTING_DOWN: 'not-done',
  DATABASE_UNAVAILABLE: 'not-done',
  OUTCOME_UNKNOWN: 'unknown',
  DEADLINE_EXCEEDED: 'unknown',
  INTERNAL: 'unknown',
};

/** Where the service's own words are for programmers, these are for people. */
const TEXTS: Readonly<Record<string, (metadata: Readonly<Record<string, string>>) => string>> = {
  INSUFFICIENT_STOCK: ({ available, requested }) =>
    available === '0'
      ? `Insufficient stock: none left, ${requested} asked for.`
      : `Insufficient stock: ${available} on hand, ${requested} asked for.`,
  STOCK_NOT_FOUND: () => 'This store has never had this product. A restock makes the stock.',
  QUEUE_FULL: () => 'The service is busy. Nothing changed.',
  SHUTTING_DOWN: () => 'The service is about to restart. Nothing changed.',
  DATABASE_UNAVAILABLE: () => 'The database cannot be reached. Nothing changed.',
  OUTCOME_UNKNOWN: () => 'The database did not confirm in time.',
  DEADLINE_EXCEEDED: () => 'The service did not answer in time.',
  UNIMPLEMENTED: () => 'This service does not offer that yet.',
  INTERNAL: () => 'The service has met a defect of its own.',
};

/** Anything that a call threw, as a Failure. */
export function toFailure(thrown: unknown): Failure {
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info === undefined) return withoutAnswer(error);
  const { reason, metadata } = info;
  return {
    outcome: OUTCOMES[reason] ?? 'refused',
    reason,
    text: TEXTS[reason]?.(metadata) ?? sentence(error.rawMessage),
    fields: fieldsOf(error),
    metadata,
  };
}

function withoutAnswer(error: ConnectError): Failure {
  const late = error.code === Code.DeadlineExceeded;
  const text = late
    ? 'The service did not answer in time.'
    : navigator.onLine
      ? 'The service cannot be reached.'
      : 'This device is offline.';
  return { outcome: 'unknown', reason: '', text, fields: {}, metadata: {} };
}

function fieldsOf(error: ConnectError): Record<string, string> {
  const violations = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  return Object.fromEntries(violations.map(({ field, description }) => [field, description]));
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
