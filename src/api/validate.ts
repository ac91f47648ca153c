import { v7 as uuidV7 } from 'uuid';
import type { MovementCommand } from '../domain/decide.js';
import type { Origin, StockKey } from '../domain/types.js';
import type {
  BatchGetRequest,
  GetRequest,
  ListRequest,
  RestockRequest,
  SellRequest,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import {
  checkConsistency,
  checkEventId,
  checkId,
  checkMetadata,
  checkOccurredTime,
  checkQuantity,
  Violations,
} from './field-rules.js';
import { decodePageToken } from './page-token.js';

const KEYS_LIMIT = 500;
const PAGE_DEFAULT = 50;
const PAGE_LIMIT = 500;

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
    checkId(violations, 'Store ID', storeId, () => `keys[${index}].storeId`);
    checkId(violations, 'Product ID', productId, () => `keys[${index}].productId`);
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
  if (pageSize < 0) violations.add('pageSize', 'Page size must not be negative');
  const strong = checkConsistency(violations, request.consistency);
  violations.throwIfAny();
  const filter = { ...(storeId === '' ? {} : { storeId }), ...(productId === '' ? {} : { productId }) };
  const after = request.pageToken === '' ? undefined : decodePageToken(request.pageToken, filter);
  return { filter, page: { after, size: Math.min(pageSize || PAGE_DEFAULT, PAGE_LIMIT) }, strong };
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
): MovementCommand {
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
    actor,
    origin,
    metadata,
  };
}
