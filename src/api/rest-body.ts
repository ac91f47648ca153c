import { Consistency } from '../gen/grpc/inventory/v1/inventory.js';
import type {
  BatchGetRequest,
  GetRequest,
  ListRequest,
  SellRequest,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import { malformedMessage } from './errors.js';
import { isUuid } from './field-rules.js';
import { RestFields } from './rest-fields.js';
import { validateBatchGet, validateGet, validateList, validateMovement } from './validate.js';

/** What makes requests from what REST callers send. Each throws InventoryError MALFORMED_MESSAGE or INVALID_FIELD. */

/** The query of GET /api/v1/inventory. */
export function readGet(query: unknown): GetRequest {
  const fields = new RestFields(query, ['storeId', 'productId', 'consistency', 'minVersion']);
  const request = {
    storeId: fields.text('storeId'),
    productId: fields.text('productId'),
    consistency: fields.choice('consistency', Consistency),
    minVersion: BigInt(fields.wholeNumberText('minVersion')),
  };
  fields.throwIfAny(() => validateGet(request));
  return request;
}

/** The query of a list whose store or product stands in the path. */
export function readList(path: { storeId?: string; productId?: string }, query: unknown): ListRequest {
  const fields = new RestFields(query, ['pageSize', 'pageToken', 'consistency']);
  const request = {
    storeId: path.storeId ?? '',
    productId: path.productId ?? '',
    pageSize: fields.pageSize(),
    pageToken: fields.text('pageToken'),
    consistency: fields.choice('consistency', Consistency),
  };
  fields.throwIfAny(() => validateList(request));
  return request;
}

/** The body of POST /api/v1/inventory/batch-get. */
export function readBatchGet(body: unknown): BatchGetRequest {
  const fields = new RestFields(asObject(body), ['keys', 'consistency']);
  const keys = fields.list('keys').map((key, index) => {
    const part = fields.part(key, `keys[${index}]`, ['storeId', 'productId']);
    return { storeId: part.text('storeId'), productId: part.text('productId') };
  });
  const request = { keys, consistency: fields.choice('consistency', Consistency) };
  fields.throwIfAny(() => validateBatchGet(request));
  return request;
}

const MOVEMENT_FIELDS = ['storeId', 'productId', 'quantity', 'eventId', 'occurredTime', 'metadata'];

/**
 * The body of a sale or restock. Its event id may also stand in the header `Idempotency-Key`, bare or in quotes as
 * the header's draft standard writes it.
 */
export function readMovement(body: unknown, idempotencyKey: string | string[] | undefined): SellRequest {
  const fields = new RestFields(asObject(body), MOVEMENT_FIELDS);
  const request: SellRequest = {
    storeId: fields.text('storeId'),
    productId: fields.text('productId'),
    quantity: fields.number('quantity'),
    eventId: readEventId(fields, idempotencyKey),
    occurredTime: fields.time('occurredTime'),
    metadata: fields.texts('metadata'),
  };
  fields.throwIfAny(() => validateMovement(request, 'SALE', { actor: '', origin: 'REST' }));
  return request;
}

function readEventId(fields: RestFields, idempotencyKey: string | string[] | undefined): string {
  const inBody = fields.text('eventId');
  const inHeader = readIdempotencyKey(fields, idempotencyKey);
  if (inHeader === undefined) return inBody;
  if (inBody !== '' && inBody.toLowerCase() !== inHeader.toLowerCase()) {
    fields.add('eventId', 'Event ID and the Idempotency-Key header must be the same');
  }
  return inHeader;
}

/** The header without its quotes; undefined where it is absent or wrong. */
export function readIdempotencyKey(
  fields: RestFields,
  idempotencyKey: string | string[] | undefined,
): string | undefined {
  if (idempotencyKey === undefined) return undefined;
  const key = String(idempotencyKey)
    .trim()
    .replace(/^"(.*)"$/, '$1');
  if (isUuid(key)) return key;
  fields.add('Idempotency-Key', 'Idempotency-Key must be a UUID');
  return undefined;
}

export function asObject(body: unknown): object {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  throw malformedMessage('The body', 'it must be a JSON object');
}
