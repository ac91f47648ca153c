import type { Timestamp } from './gen/google/protobuf/timestamp.js';
import type { OperationResult, Stock } from './gen/inventory/v1/inventory.js';
import type { OnhandError } from './onhand-error.js';

/**
 * What a sync tells. The store's own stock is, at each moment: the newest that was told of it (by its version; of one version
 * that with the highest sequence), and its own operations after that sequence. It is told by snapshots and changes, up to
 * `includedSequence`, and by the results of a message, up to its `sequence`.
 */
export type SyncUpdate =
  /** Everything up to `sequence` is durable in the service, and will not be sent again: the log may forget it. */
  | {
      readonly kind: 'acknowledged';
      readonly epoch: bigint;
      readonly sequence: bigint;
      /**
       * What became of the operations of this message, in their order; none where no message was acknowledged just now. One
       * may have done something else than the store thinks: refused, absorbed by a count, or a count itself.
       */
      readonly results: OperationResult[];
    }
  /**
   * All stocks of the store, in parts: at the beginning, and where changes were lost. Complete: `cursor` is set, too, and what
   * was in none of the parts is not there any more.
   */
  | {
      readonly kind: 'snapshot';
      readonly stocks: Stock[];
      readonly includedSequence: bigint;
      readonly complete: boolean;
      readonly cursor: string;
    }
  /** Stocks that changed elsewhere, as they are now (there may be none). `cursor`: where to go on; empty: more is coming. */
  | {
      readonly kind: 'changes';
      readonly stocks: Stock[];
      readonly includedSequence: bigint;
      readonly cursor: string;
    }
  /** A sign of life: every change committed up to `watermark` has been given. */
  | { readonly kind: 'current'; readonly watermark: Timestamp | undefined }
  /**
   * The log has got a new number, and `begin` was called. Where it is not the first one, the store's log or the service was
   * restored: what is there is sent again, and counts once. Of stocks nothing is told until all of it is acknowledged: what
   * is sent again may be in them already. Then comes a snapshot, which has everything.
   */
  | { readonly kind: 'epoch'; readonly epoch: bigint }
  /** The connection broke; it is made again by itself, and goes on after what was acknowledged. */
  | { readonly kind: 'interrupted'; readonly error: OnhandError }
  /** Not all changes can be given any more: a snapshot comes. */
  | { readonly kind: 'resync'; readonly error: OnhandError };
