import type { Timestamp } from '../gen/grpc/google/protobuf/timestamp.js';
import { Consistency } from '../gen/grpc/inventory/v1/inventory.js';
import type {
  BatchGetRequest,
  GetRequest,
  ListRequest,
  SellRequest,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import { malformedMessage } from './errors.js';
import { RestFields } from './rest-fields.js';
import { validateBatchGet, validateGet, validateList, validateMovement } from './validate.js';

/** What makes requests from what REST callers send. Each throws InventoryError MALFORMED_MESSAGE or INVALID_FIELD. */

/** The query of GET /api/v1/inventory. */
export function readGet(query: unknown): GetRequest {
  const fields = new RestFields(query, ['storeId', 'productId', 'consistency', 'minVersion']);
  const request = {
    storeId: fields.text('storeId'),
    productId: fields.text('productId'),
    consistency: readConsistency(fields),
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
    // Above every limit, so that a number too long for a double cannot be mistaken for another.
    pageSize: Math.min(Number(fields.wholeNumberText('pageSize')), 1_000_000),
    pageToken: fields.text('pageToken'),
    consistency: readConsistency(fields),
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
  const request = { keys, consistency: readConsistency(fields) };
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
  const occurredTime = readTime(fields);
  const request: SellRequest = {
    storeId: fields.text('storeId'),
    productId: fields.text('productId'),
    quantity: fields.number('quantity'),
    eventId: readEventId(fields, idempotencyKey),
    occurredTime,
    metadata: fields.texts('metadata'),
  };
  fields.throwIfAny(() => validateMovement(request, 'SALE', { actor: '', origin: 'REST' }));
  return request;
}

function readEventId(fields: RestFields, idempotencyKey: string | string[] | undefined): string {
  const inBody = fields.text('eventId');
  if (idempotencyKey === undefined) return inBody;
  const inHeader = String(idempotencyKey)
    .trim()
    .replace(/^"(.*)"$/, '$1');
  if (inHeader === '') fields.add('Idempotency-Key', 'Idempotency-Key must be a UUID');
  if (inBody !== '' && inBody.toLowerCase() !== inHeader.toLowerCase()) {
    fields.add('eventId', 'Event ID and the Idempotency-Key header must be the same');
  }
  return inHeader;
}

function readConsistency(fields: RestFields): Consistency {
  const text = fields.text('consistency');
  if (text !== '' && text !== 'STRONG') fields.add('consistency', 'Consistency must be STRONG or unset');
  return text === 'STRONG' ? Consistency.STRONG : Consistency.UNSPECIFIED;
}

const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

function readTime(fields: RestFields): Timestamp | undefined {
  const text = fields.text('occurredTime');
  if (text === '') return undefined;
  const [, day, time, fraction = '', zone] = RFC_3339.exec(text) ?? [];
  const local = Date.parse(`${day}T${time}Z`);
  const ms = Date.parse(`${day}T${time}${zone?.toUpperCase()}`);
  // Date.parse takes the 30th of February for the 2nd of March.
  if (Number.isNaN(ms) || new Date(local).toISOString().slice(0, 10) !== day) {
    fields.add('occurredTime', 'Occurred time must be a time as in 2026-01-31T10:30:00Z');
    return undefined;
  }
  return { seconds: BigInt(ms / 1000), nanos: Number(fraction.padEnd(9, '0')) };
}

function asObject(body: unknown): object {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  throw malformedMessage('The body', 'it must be a JSON object');
}
