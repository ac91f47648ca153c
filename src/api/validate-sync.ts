import type { Command } from '../domain/types.js';
import type { Operation } from '../gen/grpc/inventory/v1/inventory.js';
import type { SyncRequest } from '../gen/grpc/inventory/v1/inventory_service.js';
import type { BadOperation, Hello, MessageSource, StoreMessage } from '../sync/store-message.js';
import { invalidFields } from './errors.js';
import { checkId, Violations } from './field-rules.js';
import type { Incoming } from './rpcs.js';
import type { Caller } from './validate.js';
import { checkMode, checkOperationCount, OPERATIONS_LIMIT, toCommand } from './validate-apply.js';
import { WatchCursors } from './watch-cursor.js';

/** The messages of one stream of Sync, checked. */
export class SyncSource implements MessageSource {
  #storeId = '';
  #cursors: WatchCursors | undefined;

  constructor(
    private readonly requests: Incoming<SyncRequest>,
    private readonly caller: Caller,
  ) {}

  /** The cursors of the store; only after its hello. */
  get cursors(): WatchCursors {
    if (this.#cursors === undefined) throw new Error('there is no hello yet');
    return this.#cursors;
  }

  /** @throws InventoryError INVALID_FIELD, MALFORMED_MESSAGE, MESSAGE_TOO_LARGE. */
  async hello(): Promise<Hello> {
    const request = await this.requests.next();
    if (request === undefined)
      throw invalidFields([{ field: 'storeId', description: 'A hello is required before the stream ends' }]);
    const { storeId, epoch, sequence, operations, changeCursor } = request;
    const violations = new Violations();
    checkId(violations, 'Store ID', storeId, 'storeId');
    if (epoch < 0n) violations.add('epoch', 'Epoch must not be negative');
    if (sequence !== 0n) violations.add('sequence', 'Sequence must be 0 in the hello');
    if (operations.length > 0) violations.add('operations', 'A hello has no operations');
    violations.throwIfAny();
    this.#storeId = storeId;
    this.#cursors = new WatchCursors({ storeId, productIds: [] });
    return { storeId, epoch, changesFrom: this.#cursors.decode(changeCursor, 'changeCursor') ?? 'NOW' };
  }

  /**
   * What is wrong with an operation stands with it; what is wrong with the message refuses all of it.
   *
   * @throws InventoryError INVALID_FIELD, MALFORMED_MESSAGE, MESSAGE_TOO_LARGE.
   */
  async next(): Promise<StoreMessage | undefined> {
    const request = await this.requests.next();
    if (request === undefined) return undefined;
    const { storeId, epoch, sequence, operations } = request;
    const violations = new Violations();
    if (storeId !== this.#storeId)
      violations.add('storeId', 'Store ID must be that of the hello in every message of a stream');
    if (epoch < 1n) violations.add('epoch', 'Epoch must be the one that the hello was answered with');
    if (sequence < 1n) violations.add('sequence', 'Sequence must be at least 1 after the hello');
    const mode = checkMode(violations, request.mode, 'INDEPENDENT');
    checkOperationCount(violations, operations.length);
    if (operations.length > OPERATIONS_LIMIT) violations.throwIfAny();
    if (request.changeCursor !== '')
      violations.add('changeCursor', 'Change cursor belongs to the hello only');
    violations.throwIfAny();
    return { epoch, sequence, mode, operations: operations.map((operation) => this.#check(operation)) };
  }

  /** An id that the server made would be another one in a repeat, so that there must be one. */
  #check(operation: Operation): Command | BadOperation {
    const violations = new Violations();
    if (operation.eventId === '') violations.add('eventId', 'Event ID is required');
    const command = toCommand(violations, this.#storeId, operation, this.caller);
    const { error } = violations;
    if (error === undefined) return command;
    return { eventId: operation.eventId, productId: operation.productId, error };
  }
}
