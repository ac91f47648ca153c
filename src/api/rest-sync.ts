import type { FastifyReply } from 'fastify';
import { v5 as uuidV5 } from 'uuid';
import { InventoryError } from '../domain/errors.js';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import type { Operation, OperationResult } from '../gen/grpc/inventory/v1/inventory.js';
import { BatchMode, Effect, EventStatus, OperationType } from '../gen/grpc/inventory/v1/inventory.js';
import type { ApplyRequest, ApplyResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import { stockData } from './rest-answer.js';
import { asObject, readIdempotencyKey } from './rest-body.js';
import { errorBody, type RestErrorItem } from './rest-error.js';
import { RestFields } from './rest-fields.js';
import { nowText } from './rest-time.js';
import { validateApply } from './validate-apply.js';

/** POST /api/v1/inventory/sync: the original system's batch of signed deltas, as Apply. */

const OPERATION_FIELDS = [
  'productId',
  'type',
  'delta',
  'quantity',
  'eventId',
  'occurredTime',
  'reason',
  'metadata',
];

/** Which sign a delta has. COUNT has none: it takes a quantity. */
const DELTA_SIGNS: Partial<Record<OperationType, 1 | -1>> = {
  [OperationType.SALE]: -1,
  [OperationType.WASTE]: -1,
  [OperationType.RESTOCK]: 1,
  [OperationType.RETURN]: 1,
};

/**
 * The body of a batch. An operation without an event id gets one that follows from the header `Idempotency-Key`, where
 * there is one, and its place.
 *
 * @throws InventoryError MALFORMED_MESSAGE, INVALID_FIELD.
 */
export function readSync(body: unknown, idempotencyKey: string | string[] | undefined): ApplyRequest {
  const fields = new RestFields(asObject(body), ['storeId', 'operations', 'mode']);
  const batchKey = readIdempotencyKey(fields, idempotencyKey);
  const request = {
    storeId: fields.text('storeId'),
    operations: fields.list('operations').map((value, index) => {
      const part = fields.part(value, `operations[${index}]`, OPERATION_FIELDS);
      return readOperation(part, batchKey === undefined ? '' : operationKey(batchKey, index));
    }),
    mode: fields.choice('mode', BatchMode),
  };
  fields.throwIfAny(() => {
    try {
      validateApply(request, { actor: '', origin: 'REST' });
    } catch (error) {
      throw inRestNames(error, request);
    }
  });
  return request;
}

/** As bytes, because uuid takes only the versions that it knows as text. */
const operationKey = (batchKey: string, index: number): string =>
  uuidV5(String(index), Buffer.from(batchKey.replaceAll('-', ''), 'hex'));

function readOperation(fields: RestFields, madeEventId: string): Operation {
  const type = fields.choice('type', OperationType);
  return {
    eventId: fields.text('eventId') || madeEventId,
    productId: fields.text('productId'),
    type,
    quantity: readQuantity(fields, type),
    occurredTime: fields.time('occurredTime'),
    reason: fields.text('reason'),
    metadata: fields.texts('metadata'),
  };
}

function readQuantity(fields: RestFields, type: OperationType): number | undefined {
  if (type === OperationType.COUNT) {
    if (fields.has('delta')) fields.add('delta', 'COUNT takes the counted quantity, not a delta');
    return fields.number('quantity');
  }
  if (fields.has('quantity')) fields.add('quantity', 'Only COUNT takes a quantity; all others take a delta');
  else if (!fields.has('delta')) fields.add('delta', 'Delta is required');
  const delta = fields.number('delta');
  const sign = DELTA_SIGNS[type];
  if (delta !== undefined && sign !== undefined && delta * sign <= 0) {
    fields.add('delta', `Delta of a ${OperationType[type]} must be ${sign < 0 ? 'negative' : 'positive'}`);
  }
  return delta === undefined ? undefined : Math.abs(delta);
}

/** The refusal with the names that REST has for the fields: what the operations call quantity may be a delta here. */
export function inRestNames(error: unknown, { operations }: ApplyRequest): unknown {
  if (!(error instanceof InventoryError) || error.reason !== 'INVALID_FIELD') return error;
  const violations = error.violations.map(({ field, description }) => {
    const index = /^operations\[(\d+)\]\.quantity$/.exec(field)?.[1];
    const isDelta = index !== undefined && operations[Number(index)]?.type !== OperationType.COUNT;
    return { field: isDelta ? `operations[${index}].delta` : field, description };
  });
  return new InventoryError(error.reason, error.message, { metadata: error.metadata, violations });
}

/**
 * Answers a batch that was decided. An ATOMIC one that was refused is an error; of an INDEPENDENT one the envelope says
 * that not all was done.
 */
export function sendSync(reply: FastifyReply, { mode }: ApplyRequest, response: ApplyResponse): FastifyReply {
  const { results, successCount, failureCount } = response;
  if (results.every(({ replayed }) => replayed)) reply.header('Idempotent-Replayed', 'true');
  const answer = {
    success: failureCount === 0,
    message: `Batch completed - Success: ${successCount}, Failed: ${failureCount}`,
    data: { results: results.map(resultData) },
    successCount,
    failureCount,
    errors: results.flatMap(errorItems),
    timestamp: nowText(),
  };
  if (answer.success || mode === BatchMode.INDEPENDENT) return reply.send(answer);
  const error = errorBody(new InventoryError('BATCH_REFUSED', answer.message));
  return reply
    .code(error.status)
    .header('Cache-Control', 'no-store')
    .send({ ...error, ...answer });
}

function resultData(result: OperationResult): object {
  const { eventId, productId, status, effect, reason, message, stock, quantityBefore, replayed } = result;
  return {
    ...(stock === undefined ? {} : { ...stockData(stock), quantityBefore }),
    productId,
    eventId,
    status: EventStatus[status],
    effect: Effect[effect],
    ...(status === EventStatus.FAILED ? { reason: ErrorReason[reason], message } : {}),
    replayed,
  };
}

function errorItems(result: OperationResult, index: number): RestErrorItem[] {
  if (result.status !== EventStatus.FAILED) return [];
  const { message: description, productId, eventId } = result;
  const reason = ErrorReason[result.reason] ?? 'INTERNAL';
  return [{ field: `operations[${index}]`, description, reason, productId, eventId }];
}
