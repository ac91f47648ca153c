import type { Operation } from './gen/inventory/v1/inventory.js';
import type { BatchOperation } from './requests.js';

/**
 * What a store did, in its order, as it keeps it on its own disk: this package reads it and numbers it, and never loses its
 * place. Operations go out in messages 1, 2, 3 …; what a number stands for must not change any more once it was given out,
 * also over a crash: write the message down before it is returned.
 */
export interface StoreLog {
  /** The number that the service gave this log; 0 before that. */
  readonly epoch: bigint;
  /** The newest message that was given out in this epoch; 0 before the first one. */
  readonly lastSequence: bigint;
  /**
   * The oldest message that is still there, not acknowledged; `lastSequence + 1` where there is none. A message of which the
   * service has more than the store was told is sent again: so the store hears what became of it.
   */
  readonly firstSequence: bigint;
  /**
   * A new log number: what was not acknowledged is numbered anew, from 1, and so is all else that is still there: a service
   * that was restored from a backup, or whose database failed over to a standby that had not received everything, may have lost what
   * it had acknowledged: what the log has kept of it is made good. Event ids keep it once.
   */
  begin(epoch: bigint): void | Promise<void>;
  /**
   * The operations of a message, 1 to 1,000 and 1 MB at most, each with its own event id: of one that was given out before,
   * or of the next one. Undefined while there is nothing to send.
   */
  message(
    sequence: bigint,
  ): readonly LoggedOperation[] | undefined | Promise<readonly LoggedOperation[] | undefined>;
  /** Resolves when there may be another message, and when the signal is aborted. */
  more(signal: AbortSignal): Promise<void>;
}

/** What the store did, and the event id under which it was written down. */
export type LoggedOperation = BatchOperation & { readonly eventId: string };

/** As it travels. */
export const toOperation = (logged: LoggedOperation): Operation => ({ reason: '', metadata: {}, ...logged });
