import { InventoryError } from '../domain/errors.js';
import type { StockKey } from '../domain/types.js';
import { isValidId } from './field-rules.js';
import type { ListFilter } from './validate.js';

/** Tokens of another version are refused: their meaning is not known. */
const TOKEN_VERSION = 1;
/** More than the longest ids of the widest characters need. */
const TOKEN_LIMIT = 1_600;

/** The token of the page after this key. Opaque to callers: base64url, bound to the filter that it was made for. */
export function encodePageToken(after: StockKey, filter: ListFilter): string {
  const content = [
    TOKEN_VERSION,
    filter.storeId ?? '',
    filter.productId ?? '',
    after.storeId,
    after.productId,
  ];
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}

/**
 * The key to go on after.
 *
 * @throws InventoryError PAGE_TOKEN_INVALID where the token is not one of ours, or belongs to another filter.
 */
export function decodePageToken(token: string, filter: ListFilter): StockKey {
  const [version, storeFilter, productFilter, storeId, productId] = parse(token);
  const ours = version === TOKEN_VERSION && isId(storeId) && isId(productId);
  if (!ours)
    throw new InventoryError('PAGE_TOKEN_INVALID', 'The page token is not one that this service made');
  if (storeFilter !== (filter.storeId ?? '') || productFilter !== (filter.productId ?? '')) {
    const message = 'The page token belongs to a list of another store or product; start without a token';
    throw new InventoryError('PAGE_TOKEN_INVALID', message);
  }
  return { storeId, productId };
}

function parse(token: string): unknown[] {
  if (token.length > TOKEN_LIMIT) return [];
  try {
    const content: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return Array.isArray(content) && content.length === 5 ? content : [];
  } catch {
    return [];
  }
}

const isId = (value: unknown): value is string => typeof value === 'string' && isValidId(value);
