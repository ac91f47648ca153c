import { timestamp } from './arguments.js';
import { type ApplyRequest, enumName, type Operation } from './messages.js';
import type { FileOperation } from './operations.js';
import { UsageError } from './usage-error.js';

/** What one Apply may hold. */
const OPERATIONS_LIMIT = 1_000;
const BYTES_LIMIT = 256 * 1024;

export type Mode = 'atomic' | 'independent';

/** What one Apply sends, and what it was made from, in the same order. */
export interface Batch {
  readonly operations: readonly FileOperation[];
  readonly request: ApplyRequest;
}

/**
 * Cuts the operations into batches: one queue of them per store, in the order of the file, each as large as one Apply may
 * be. The longest queue comes first: it is what the end of a run waits for.
 *
 * @param eventIds one for each operation
 * @param sizeOf how many bytes a request has
 * @throws UsageError naming an operation that is too large to be sent at all
 */
export function batchQueues(
  operations: readonly FileOperation[],
  eventIds: readonly string[],
  mode: Mode,
  sizeOf: (request: ApplyRequest) => number,
): Batch[][] {
  const stores = new Map<string, StoreBatches>();
  operations.forEach((operation, index) => {
    const { storeId } = operation;
    const store = stores.get(storeId) ?? new StoreBatches(storeId, mode, sizeOf);
    stores.set(storeId, store);
    store.add(operation, eventIds[index]!);
  });
  return [...stores.values()].map(({ batches }) => batches).sort((a, b) => b.length - a.length);
}

/** The batches of one store. */
class StoreBatches {
  readonly batches: (Batch & { operations: FileOperation[]; request: { operations: Operation[] } })[] = [];
  readonly #emptyBytes: number;
  #bytes = 0;

  constructor(
    private readonly storeId: string,
    private readonly mode: Mode,
    private readonly sizeOf: (request: ApplyRequest) => number,
  ) {
    this.#emptyBytes = sizeOf(this.#request([]));
  }

  add(source: FileOperation, eventId: string): void {
    const operation = toMessage(source, eventId);
    // An operation takes the same room in every batch.
    const bytes = this.sizeOf(this.#request([operation])) - this.#emptyBytes;
    if (this.#emptyBytes + bytes > BYTES_LIMIT)
      throw new UsageError(`${source.place}: it is larger than the 256 KB that can be sent at once`);
    let batch = this.batches.at(-1);
    const full = batch === undefined || batch.operations.length === OPERATIONS_LIMIT;
    if (full || this.#bytes + bytes > BYTES_LIMIT) {
      batch = { operations: [], request: this.#request([]) };
      this.batches.push(batch);
      this.#bytes = this.#emptyBytes;
    }
    batch!.operations.push(source);
    batch!.request.operations.push(operation);
    this.#bytes += bytes;
  }

  #request(operations: Operation[]): ApplyRequest & { operations: Operation[] } {
    return { storeId: this.storeId, operations, mode: enumName('BATCH_MODE', this.mode) };
  }
}

function toMessage(source: FileOperation, eventId: string): Operation {
  const { productId, type, quantity, reason, metadata } = source;
  const occurredTime = timestamp(source.occurredTime);
  return {
    ...{ eventId, productId, quantity, reason, metadata, type: enumName('OPERATION_TYPE', type) },
    ...(occurredTime && { occurredTime }),
  };
}
