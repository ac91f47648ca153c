import { compareIds } from '../domain/id-order.js';
import type { Cursor } from '../feed/cursor.js';
import type { WatchFilter } from '../feed/watch-filter.js';
import type { WatchRequest } from '../gen/grpc/inventory/v1/inventory_service.js';
import { checkId, Violations } from './field-rules.js';
import { WatchCursors } from './watch-cursor.js';

export const WATCHED_PRODUCTS_LIMIT = 1_000;

/**
 * What to watch, where to begin, and the cursors to go on from.
 *
 * @throws InventoryError INVALID_FIELD.
 */
export function validateWatch(request: WatchRequest): {
  filter: WatchFilter;
  cursor: Cursor | undefined;
  cursors: WatchCursors;
} {
  const violations = new Violations();
  const { storeId, productIds } = request;
  if (storeId === '' && productIds.length === 0)
    violations.add('storeId', 'Store ID or product IDs are required');
  if (storeId !== '') checkId(violations, 'Store ID', storeId, 'storeId');
  if (productIds.length > WATCHED_PRODUCTS_LIMIT)
    violations.add('productIds', 'Product IDs must not exceed 1,000');
  for (const [index, productId] of productIds.slice(0, WATCHED_PRODUCTS_LIMIT).entries())
    checkId(violations, 'Product ID', productId, `productIds[${index}]`);
  violations.throwIfAny();
  const filter = { storeId: storeId || undefined, productIds: [...new Set(productIds)].sort(compareIds) };
  const cursors = new WatchCursors(filter);
  return { filter, cursor: cursors.decode(request.cursor), cursors };
}
