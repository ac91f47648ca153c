import { v7 as uuidV7 } from 'uuid';
import type { BatchMode, Command, OperationType, Submission } from '../domain/types.js';
import * as wire from '../gen/grpc/inventory/v1/inventory.js';
import type { ApplyRequest } from '../gen/grpc/inventory/v1/inventory_service.js';
import type { ViolationSink } from './field-rules.js';
import {
  checkCount,
  checkEventId,
  checkId,
  checkMetadata,
  checkOccurredTime,
  checkOperationReason,
  checkQuantity,
  elementOf,
  Violations,
} from './field-rules.js';
import type { Caller } from './validate.js';

/** Operations of one batch. */
export const OPERATIONS_LIMIT = 1_000;

const OPERATION_TYPES: Partial<Record<wire.OperationType, OperationType>> = {
  [wire.OperationType.SALE]: 'SALE',
  [wire.OperationType.RESTOCK]: 'RESTOCK',
  [wire.OperationType.RETURN]: 'RETURN',
  [wire.OperationType.COUNT]: 'COUNT',
  [wire.OperationType.WASTE]: 'WASTE',
};

const BATCH_MODES: Partial<Record<wire.BatchMode, BatchMode>> = {
  [wire.BatchMode.ATOMIC]: 'ATOMIC',
  [wire.BatchMode.INDEPENDENT]: 'INDEPENDENT',
};

/**
 * A batch as commands. Operations without an event id get one.
 *
 * @throws InventoryError INVALID_FIELD, naming the fields as `operations[3].quantity`.
 */
export function validateApply(request: ApplyRequest, caller: Caller): Submission {
  const violations = new Violations();
  const { storeId, operations } = request;
  checkId(violations, 'Store ID', storeId, 'storeId');
  const mode = checkMode(violations, request.mode, 'ATOMIC');
  checkOperationCount(violations, operations.length);
  if (operations.length > OPERATIONS_LIMIT) violations.throwIfAny();
  const commands = operations.map((operation, index) =>
    toCommand(elementOf(violations, 'operations', index), storeId, operation, caller),
  );
  violations.throwIfAny();
  return { commands, mode };
}

/** Checks how the operations of a batch hang together. */
export function checkMode(
  violations: ViolationSink,
  mode: wire.BatchMode,
  unspecified: BatchMode,
): BatchMode {
  const known = BATCH_MODES[mode];
  if (known === undefined && mode !== wire.BatchMode.UNSPECIFIED)
    violations.add('mode', 'Mode must be ATOMIC, INDEPENDENT or unset');
  return known ?? unspecified;
}

/** Checks how many operations a batch has. */
export function checkOperationCount(violations: ViolationSink, count: number): void {
  if (count === 0) violations.add('operations', 'Operations are required');
  if (count > OPERATIONS_LIMIT) violations.add('operations', 'Operations must not exceed 1,000');
}

/** An operation as a command. Without an event id it gets one. */
export function toCommand(
  violations: ViolationSink,
  storeId: string,
  operation: wire.Operation,
  { actor, origin }: Caller,
): Command {
  const { productId } = operation;
  checkId(violations, 'Product ID', productId, 'productId');
  const type = OPERATION_TYPES[operation.type];
  if (type === undefined) violations.add('type', 'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE');
  const check = type === 'COUNT' ? checkCount : checkQuantity;
  return {
    storeId,
    productId,
    eventId: checkEventId(violations, operation.eventId) ?? uuidV7(),
    type: type ?? 'SALE',
    quantity: check(violations, operation.quantity),
    occurredTimeUs: checkOccurredTime(violations, operation.occurredTime),
    operationReason: checkOperationReason(violations, operation.reason),
    actor,
    origin,
    metadata: checkMetadata(violations, operation.metadata),
  };
}
