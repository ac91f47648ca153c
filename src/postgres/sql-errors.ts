/** How the ledger goes on after a failed transaction, told from SQLSTATE and constraint names, never from message text. */
export type FailureKind =
  /** Another process recorded one of the event ids first: run the batch again, it will find the event. */
  | 'EVENT_ID_TAKEN'
  /** Another transaction has held a lock for longer than we wait. */
  | 'LOCK_TIMEOUT'
  /** The transaction may succeed when it is run again: serialization, deadlock, a statement that took too long. */
  | 'TRANSIENT'
  /** The database cannot be used: lost connection, shutdown, too many connections, read-only. */
  | 'UNAVAILABLE'
  /** Something in the batch itself. */
  | 'OTHER';

/** 01000 is a COMMIT that no standby confirmed in time. */
const TRANSIENT = new Set(['01000', '40000', '40001', '40P01', '57014']);
const LOCK_NOT_AVAILABLE = '55P03';

/** Classes 08 (connection), 53 (resources), 57P (operator intervention), 58 (system), and a read-only transaction. */
const UNAVAILABLE = /^(08|53|57P|58)|^(25006|25P03|25P04)$/;

const NETWORK = /^(E[A-Z]+)$/;

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
};

/** Whether PostgreSQL itself answered with this error. */
const isServerError = (error: unknown): boolean =>
  /^[0-9A-Z]{5}$/.test(codeOf(error) ?? '') && 'severity' in Object(error);

/**
 * Whether PostgreSQL answered that the transaction failed, and goes on serving the session (severity ERROR). Class 08 is
 * no such answer: a pooler says so where it has lost PostgreSQL, and what became of the transaction is not known.
 */
export const isTransactionError = (error: unknown): boolean =>
  isServerError(error) &&
  (error as { severity: string }).severity === 'ERROR' &&
  !codeOf(error)?.startsWith('08');

/** The driver reports lost connections and timeouts as plain errors without a code; a slip of ours has a class. */
const isDefect = (error: unknown): boolean => !(error instanceof Error) || error.constructor !== Error;

export function classifyFailure(error: unknown): FailureKind {
  const code = codeOf(error);
  if (code === '23505' && (error as { constraint?: string }).constraint === 'event_log_event_id_key')
    return 'EVENT_ID_TAKEN';
  if (code === undefined) return isDefect(error) ? 'OTHER' : 'UNAVAILABLE';
  if (code === LOCK_NOT_AVAILABLE) return 'LOCK_TIMEOUT';
  if (TRANSIENT.has(code)) return 'TRANSIENT';
  if (UNAVAILABLE.test(code) || (!isServerError(error) && NETWORK.test(code))) return 'UNAVAILABLE';
  return 'OTHER';
}
