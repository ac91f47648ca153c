/**
 * The words of Onhand, as data. The same words stand in proto, SQL, metrics and docs.
 *
 * store     a retail store or warehouse. Never a database or a cache.
 * stock     the row for one (store, product). Keeps one signed `net`: quantity = max(net, 0) is on hand,
 *           oversold = max(-net, 0).
 * version   counts the stock's successful changes: 1, 2, 3 … with no gap. A row at version 0 is a placeholder that
 *           nobody has written yet; to every reader it does not exist.
 * command   what a caller asks.
 * event     what happened: one immutable row per decided command, accepted or refused.
 * event id  the idempotency key: a UUID, unique within its store.
 *
 * Times are microseconds since 1970 as numbers (exact until the year 2255), because that is what PostgreSQL keeps.
 */
import type { ErrorReason, InventoryError } from './errors.js';

export type OperationType = 'SALE' | 'RESTOCK' | 'RETURN' | 'COUNT' | 'WASTE';
export type EventStatus = 'SUCCESS' | 'FAILED';
export type Effect = 'APPLIED' | 'OVERSOLD' | 'ABSORBED' | 'REFUSED';
export type Origin = 'GRPC' | 'CONNECT' | 'REST' | 'SYNC' | 'SYSTEM';

/** Names one stock. */
export interface StockKey {
  readonly storeId: string;
  readonly productId: string;
}

/** A stock as it stands in the table. */
export interface StockRow extends StockKey {
  readonly net: number;
  readonly version: bigint;
  readonly createTimeUs: number;
  readonly updateTimeUs: number;
}

/** A stock as a snapshot showed it, at version 0 where it showed none. */
export interface StockCopy {
  readonly stock: StockRow;
  /** The beat in that snapshot: the copy holds every change of the stock that a snapshot with an earlier beat shows. */
  readonly asOf: bigint;
}

/** What a caller asks, valid in form. `quantity` is in units: positive, or what was counted (0 too) for COUNT. */
export interface Command extends StockKey {
  readonly eventId: string;
  readonly type: OperationType;
  readonly quantity: number;
  /** When the caller says it happened; none means at receipt. */
  readonly occurredTimeUs: number | undefined;
  /** Why, in the caller's words. */
  readonly operationReason: string | undefined;
  readonly actor: string;
  /** SYNC: it has happened already, in the store. */
  readonly origin: Origin;
  readonly metadata: Readonly<Record<string, string>>;
  /** When it takes effect, where its place in the store's log says so; undefined where that follows from its type. */
  readonly effectiveTimeUs?: number;
}

/** How the commands of one submission hang together: all or none, or each by itself. */
export type BatchMode = 'ATOMIC' | 'INDEPENDENT';

/** Commands that came in one call: one, or the operations of a batch, in their order. */
export interface Submission {
  readonly commands: readonly Command[];
  readonly mode: BatchMode;
  /** Where they are a message of a store's own log: all of SYNC, all of that store. */
  readonly message?: LogMessage;
}

/**
 * A store keeps a log of what it did and sends it as messages, 1, 2, 3 … in each epoch. A new epoch begins where the store
 * lost a part of its log. Of several streams of one store the newest counts, by the number that its hello was given.
 */
export interface LogMessage {
  readonly storeId: string;
  readonly stream: bigint;
  readonly epoch: bigint;
  readonly sequence: bigint;
  /** Some of its operations are not valid, and not among the commands. */
  readonly incomplete: boolean;
}

/** How far a store's log has been taken in. */
export interface LogCursor {
  readonly storeId: string;
  readonly epoch: bigint;
  /** The last message; 0 before the first one. */
  readonly sequence: bigint;
  /** The newest stream. */
  readonly stream: bigint;
  /** Of the last operation of the epoch; undefined before the first one. */
  readonly lastEffectiveTimeUs: number | undefined;
}

/** What happened. `appliedDelta` is the change of net: over a stock's events its sum is net, always. */
export interface StockEvent extends StockKey {
  readonly eventId: string;
  readonly type: OperationType;
  readonly status: EventStatus;
  readonly effect: Effect;
  readonly reason: ErrorReason | undefined;
  readonly requestedDelta: number;
  readonly appliedDelta: number;
  readonly netBefore: number;
  readonly netAfter: number;
  /**
   * The net that a refused command was judged against, where the operations before it in its refused ATOMIC batch had
   * moved it; undefined where that is `netBefore`.
   */
  readonly judgedNet: number | undefined;
  readonly version: bigint;
  readonly occurredTimeUs: number;
  readonly effectiveTimeUs: number;
  readonly recordedTimeUs: number;
  readonly actor: string;
  readonly origin: Origin;
  readonly metadata: Readonly<Record<string, string>>;
  readonly operationReason: string | undefined;
  readonly fingerprint: string;
  /** Which message of the store's own log it came in; 0 where it did not come through Sync. */
  readonly syncEpoch: bigint;
  readonly syncSequence: bigint;
}

/** An event as it stands in the log. */
export type RecordedEvent = Omit<StockEvent, 'fingerprint' | 'judgedNet'>;

/** What an event that changed its stock tells those who follow the stock. Its version is the one before and one. */
export type StockChange = Pick<
  StockEvent,
  | 'storeId'
  | 'productId'
  | 'eventId'
  | 'type'
  | 'effect'
  | 'requestedDelta'
  | 'appliedDelta'
  | 'netAfter'
  | 'version'
  | 'occurredTimeUs'
  | 'recordedTimeUs'
  | 'actor'
  | 'origin'
  | 'syncEpoch'
  | 'syncSequence'
>;

/** What an event needs to be recognised and its outcome given again. */
export type PriorEvent = Pick<
  StockEvent,
  | 'storeId'
  | 'productId'
  | 'eventId'
  | 'status'
  | 'effect'
  | 'reason'
  | 'requestedDelta'
  | 'netBefore'
  | 'netAfter'
  | 'judgedNet'
  | 'version'
  | 'recordedTimeUs'
  | 'origin'
  | 'fingerprint'
>;

/** What became of a command. */
export type Outcome =
  /** Decided now, or earlier (`replayed`); accepted or refused as the event says. */
  | {
      readonly kind: 'DECIDED';
      readonly event: PriorEvent;
      readonly createTimeUs: number;
      readonly replayed: boolean;
    }
  /** The store has no such stock: nothing is recorded, and a later try is judged anew. */
  | { readonly kind: 'STOCK_NOT_FOUND' }
  /** The event id stands for another type, product or quantity: nothing is recorded. */
  | { readonly kind: 'EVENT_ID_REUSED' }
  /** An operation of an INDEPENDENT batch that could not be run, while others could. */
  | { readonly kind: 'NOT_RUN'; readonly error: InventoryError };

/** The largest |net| that a stock may have. */
export const NET_LIMIT = 1_000_000_000;

/** Units on hand for a signed net. */
export const quantityOf = (net: number): number => Math.max(net, 0);

/** Units sold beyond what was on hand for a signed net. */
export const oversoldOf = (net: number): number => Math.max(-net, 0);
