import type { Command, Outcome } from '../domain/types.js';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { Effect, EventStatus, type OperationResult } from '../gen/grpc/inventory/v1/inventory.js';
import { type SyncAck, SyncResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import { type Acknowledgement, type BadOperation, isCommand, type SyncItem } from '../sync/store-message.js';
import { wireMessage } from './errors.js';
import { changedStock, toTimestamp } from './messages.js';
import { toOperationResult } from './outcomes.js';
import type { WatchCursors } from './watch-cursor.js';

/** What is sent down a store's stream: an encoded SyncResponse. */
export const encodeSyncItem = (item: SyncItem, cursors: WatchCursors): Buffer =>
  Buffer.from(SyncResponse.encode(toSyncResponse(item, cursors)).finish());

function toSyncResponse(item: SyncItem, cursors: WatchCursors): SyncResponse {
  const response: SyncResponse = { ack: undefined, change: undefined, heartbeat: undefined };
  switch (item.kind) {
    case 'ACK':
      return { ...response, ack: toAck(item) };
    case 'CHANGE': {
      const changeCursor = item.cursor === undefined ? '' : cursors.encode(item.cursor);
      const { includedSequence } = item;
      return {
        ...response,
        change: { stocks: item.changes.map(changedStock), includedSequence, changeCursor },
      };
    }
    case 'HEARTBEAT': {
      const watermark = item.watermarkUs === undefined ? undefined : toTimestamp(item.watermarkUs);
      return { ...response, heartbeat: { watermark } };
    }
  }
}

/** The commands of a message, each with what became of it. */
export function* commandsOf({ operations, outcomes }: Acknowledgement): Generator<[Command, Outcome]> {
  let next = 0;
  for (const operation of operations) if (isCommand(operation)) yield [operation, outcomes[next++]!];
}

function toAck(item: Acknowledgement): SyncAck {
  const decided = commandsOf(item);
  const results = item.operations.map((operation) => {
    if (!isCommand(operation)) return toBadResult(operation);
    const [command, outcome] = decided.next().value as [Command, Outcome];
    return toOperationResult(command, outcome);
  });
  return { epoch: item.epoch, ackedSequence: item.sequence, results, replayed: item.replayed };
}

const toBadResult = ({ eventId, productId, error }: BadOperation): OperationResult => ({
  eventId,
  productId,
  status: EventStatus.FAILED,
  effect: Effect.REFUSED,
  reason: ErrorReason[error.reason],
  message: wireMessage(error),
  stock: undefined,
  quantityBefore: 0,
  replayed: false,
});
