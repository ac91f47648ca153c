import { v7 as uuidV7 } from 'uuid';
import type { Command, Origin, StockKey } from '../domain/types.js';
import { EventStatus, OperationType, Origin as OriginEnum } from '../gen/grpc/inventory/v1/inventory.js';
import type {
  BatchGetRequest,
  GetRequest,
  ListEventsRequest,
  ListRequest,
  RestockRequest,
  SellRequest,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import type { EventCursor, EventFilter } from '../reads/database-reads.js';
import {
  checkConsistency,
  checkEnum,
  checkEventId,
  checkId,
  checkMetadata,
  checkOccurredTime,
  checkQuantity,
  checkRangeTime,
  checkText,
  EVER_US,
  elementOf,
  Violations,
} from './field-rules.js';
import { eventTokens, listTokens } from './page-token.js';

export const KEYS_LIMIT = 500;
export const PAGE_DEFAULT = 50;
export const PAGE_LIMIT = 500;
export const ACTOR_LIMIT = 200;

/** What turns requests into what the inside understands, or refuses them with every field that is wrong. */

/** @throws InventoryError INVALID_FIELD. */
export function validateGet(request: GetRequest): { key: StockKey; minVersion: bigint; strong: boolean } {
  const violations = new Violations();
  const { storeId, productId, minVersion } = request;
  checkId(violations, 'Store ID', storeId, 'storeId');
  checkId(violations, 'Product ID', productId, 'productId');
  const strong = checkConsistency(violations, request.consistency);
  if (minVersion < 0n) violations.add('minVersion', 'Minimum version must not be negative');
  violations.throwIfAny();
  return { key: { storeId, productId }, minVersion, strong };
}

/** @throws InventoryError INVALID_FIELD. */
export function validateBatchGet(request: BatchGetRequest): { keys: StockKey[]; strong: boolean } {
  const violations = new Violations();
  const count = request.keys.length;
  if (count === 0) violations.add('keys', 'Keys are required');
  if (count > KEYS_LIMIT) violations.add('keys', `Keys must not exceed ${KEYS_LIMIT}`);
  const keys = request.keys.slice(0, KEYS_LIMIT).map(({ storeId, productId }, index) => {
    const element = elementOf(violations, 'keys', index);
    checkId(element, 'Store ID', storeId, 'storeId');
    checkId(element, 'Product ID', productId, 'productId');
    return { storeId, productId };
  });
  const strong = checkConsistency(violations, request.consistency);
  violations.throwIfAny();
  return { keys, strong };
}

/** Which stocks a List is about. */
export interface ListFilter {
  readonly storeId?: string;
  readonly productId?: string;
}

/** @throws InventoryError INVALID_FIELD, PAGE_TOKEN_INVALID. */
export function validateList(request: ListRequest): {
  filter: ListFilter;
  page: { after: StockKey | undefined; size: number };
  strong: boolean;
} {
  const violations = new Violations();
  const { storeId, productId, pageSize } = request;
  if (storeId === '' && productId === '') violations.add('storeId', 'Store ID or product ID is required');
  if (storeId !== '') checkId(violations, 'Store ID', storeId, 'storeId');
  if (productId !== '') checkId(violations, 'Product ID', productId, 'productId');
  const size = checkPageSize(violations, pageSize);
  const strong = checkConsistency(violations, request.consistency);
  violations.throwIfAny();
  const filter = { ...(storeId === '' ? {} : { storeId }), ...(productId === '' ? {} : { productId }) };
  return { filter, page: { after: listTokens.decode(request.pageToken, filter), size }, strong };
}

/** @throws InventoryError INVALID_FIELD, PAGE_TOKEN_INVALID. */
export function validateListEvents(request: ListEventsRequest): {
  filter: EventFilter;
  page: { after: EventCursor | undefined; size: number };
  strong: boolean;
} {
  const violations = new Violations();
  const { storeId, productId, actor, descending } = request;
  checkId(violations, 'Store ID', storeId, 'storeId');
  if (productId !== '') checkId(violations, 'Product ID', productId, 'productId');
  const eventId = checkEventId(violations, request.eventId);
  const type = checkEnum(violations, 'Type', request.type, 'type', OperationType);
  const status = checkEnum(violations, 'Status', request.status, 'status', EventStatus);
  const origin = checkEnum(violations, 'Origin', request.origin, 'origin', OriginEnum);
  checkText(violations, 'Actor', actor, 'actor', ACTOR_LIMIT);
  const { startTimeUs, endTimeUs } = checkTimeRange(violations, request);
  const size = checkPageSize(violations, request.pageSize);
  const strong = checkConsistency(violations, request.consistency);
  violations.throwIfAny();
  const filter: EventFilter = {
    storeId,
    productId: productId || undefined,
    eventId,
    type,
    status,
    origin,
    actor: actor || undefined,
    startTimeUs,
    endTimeUs,
    descending,
  };
  return { filter, page: { after: eventTokens.decode(request.pageToken, filter), size }, strong };
}

function checkTimeRange(violations: Violations, { startTime, endTime }: ListEventsRequest) {
  const startTimeUs = checkRangeTime(violations, 'Start time', startTime, 'startTime', EVER_US.start);
  const endTimeUs = checkRangeTime(violations, 'End time', endTime, 'endTime', EVER_US.end);
  if (startTime !== undefined && endTime !== undefined && endTimeUs <= startTimeUs)
    violations.add('endTime', 'End time must be after start time');
  return { startTimeUs, endTimeUs };
}

/** Checks how many a page may have, and gives how many it shall have. */
function checkPageSize(violations: Violations, pageSize: number): number {
  if (pageSize < 0) violations.add('pageSize', 'Page size must not be negative');
  return Math.min(pageSize || PAGE_DEFAULT, PAGE_LIMIT);
}

/** Who sends a command, and which way. */
export interface Caller {
  readonly actor: string;
  readonly origin: Origin;
}

/**
 * A Sell or Restock as a command. Where the caller gives no event id, one is made.
 *
 * @throws InventoryError INVALID_FIELD.
 */
export function validateMovement(
  request: SellRequest | RestockRequest,
  type: 'SALE' | 'RESTOCK',
  { actor, origin }: Caller,
): Command {
  const violations = new Violations();
  const { storeId, productId } = request;
  checkId(violations, 'Store ID', storeId, 'storeId');
  checkId(violations, 'Product ID', productId, 'productId');
  const quantity = checkQuantity(violations, request.quantity);
  const eventId = checkEventId(violations, request.eventId);
  const occurredTimeUs = checkOccurredTime(violations, request.occurredTime);
  const metadata = checkMetadata(violations, request.metadata);
  violations.throwIfAny();
  return {
    storeId,
    productId,
    type,
    quantity,
    eventId: eventId ?? uuidV7(),
    occurredTimeUs,
    operationReason: undefined,
    actor,
    origin,
    metadata,
  };
}
