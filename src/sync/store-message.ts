import type { InventoryError } from '../domain/errors.js';
import type { BatchMode, Command, Outcome, StockChange } from '../domain/types.js';
import type { Cursor } from '../feed/cursor.js';

/** What goes up and down a store's stream. */

/** What a store says first. */
export interface Hello {
  readonly storeId: string;
  /** The log that it goes on with; 0 asks for a new one. */
  readonly epoch: bigint;
  readonly changesFrom: Cursor | 'NOW';
}

/** An operation that is not valid: it is reported, and holds up no other. */
export interface BadOperation {
  readonly eventId: string;
  readonly productId: string;
  readonly error: InventoryError;
}

/** A message of the store's log. */
export interface StoreMessage {
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly mode: BatchMode;
  readonly operations: readonly (Command | BadOperation)[];
}

/** Where a store's messages come from. */
export interface MessageSource {
  /** @throws InventoryError where the first message is none, or is not valid. */
  hello(): Promise<Hello>;
  /** Undefined once the store has no more. @throws InventoryError where the message is not valid. */
  next(): Promise<StoreMessage | undefined>;
}

/** A message, or the hello (which has no operations), is durable. */
export interface Acknowledgement {
  readonly kind: 'ACK';
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly operations: StoreMessage['operations'];
  /** Of those operations that are commands, in their order. */
  readonly outcomes: readonly Outcome[];
  readonly replayed: boolean;
}

/** Stocks that changed elsewhere. */
export interface StocksChanged {
  readonly kind: 'CHANGE';
  /** The newest change of each stock. */
  readonly changes: readonly StockChange[];
  /** They include the store's own messages up to this one. */
  readonly includedSequence: bigint;
  /** Everything up to here has been sent; undefined where more is on the way. */
  readonly cursor: Cursor | undefined;
}

/** A sign of life. */
export interface Heartbeat {
  readonly kind: 'HEARTBEAT';
  /** Every change committed up to this time, by the primary's clock, has been sent; undefined where that is not known. */
  readonly watermarkUs: number | undefined;
}

export type SyncItem = Acknowledgement | StocksChanged | Heartbeat;

/** Whether it can be run. */
export const isCommand = (operation: Command | BadOperation): operation is Command => !('error' in operation);
