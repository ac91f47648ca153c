import { createHash } from 'node:crypto';
import { InventoryError } from '../domain/errors.js';
import type { StockKey } from '../domain/types.js';
import type { EventCursor, EventFilter } from '../reads/database-reads.js';
import { isValidId } from './field-rules.js';
import type { ListFilter } from './validate.js';

/** Tokens of another version are refused: their meaning is not known. */
const TOKEN_VERSION = 2;
/** More than the longest ids of the widest characters need. */
const TOKEN_LIMIT = 1_600;
/** Times up to the year 2286, and far more than numbers and beats will ever be. */
const WHOLE_NUMBER = /^\d{1,16}$/;

/** How one RPC's position is written into a token, and read from what is perhaps none of ours. */
interface PositionFormat<Position> {
  readonly write: (position: Position) => readonly string[];
  readonly read: (parts: readonly unknown[]) => Position | undefined;
}

/**
 * The tokens of one RPC's pages: base64url, opaque to callers. A token holds where the next page begins and a digest of
 * the RPC and its whole filter, to which it is bound.
 */
class PageTokens<Filter extends object, Position> {
  constructor(
    private readonly rpc: 'List' | 'ListEvents',
    private readonly format: PositionFormat<Position>,
  ) {}

  /** The token of the page at this position; empty where there is none. */
  encode(position: Position | undefined, filter: Filter): string {
    if (position === undefined) return '';
    const content = [TOKEN_VERSION, this.#digestOf(filter), ...this.format.write(position)];
    return Buffer.from(JSON.stringify(content)).toString('base64url');
  }

  /**
   * Where to go on; undefined for the first page.
   *
   * @throws InventoryError PAGE_TOKEN_INVALID where the token is not one of ours, or belongs to another filter.
   */
  decode(token: string, filter: Filter): Position | undefined {
    if (token === '') return undefined;
    const [version, digest, ...parts] = parse(token);
    const position = version === TOKEN_VERSION ? this.format.read(parts) : undefined;
    if (position === undefined)
      throw new InventoryError('PAGE_TOKEN_INVALID', 'The page token is not one that this service made');
    if (digest !== this.#digestOf(filter)) {
      const message =
        'The page token belongs to a request with another filter or order; start without a token';
      throw new InventoryError('PAGE_TOKEN_INVALID', message);
    }
    return position;
  }

  #digestOf(filter: Filter): string {
    return createHash('sha256')
      .update(JSON.stringify([this.rpc, filter]))
      .digest('base64url')
      .slice(0, 22);
  }
}

/** The tokens of List: after which key to go on. */
export const listTokens = new PageTokens<ListFilter, StockKey>('List', {
  write: ({ storeId, productId }) => [storeId, productId],
  read: ([storeId, productId, ...more]) =>
    more.length === 0 && isId(storeId) && isId(productId) ? { storeId, productId } : undefined,
});

/** The tokens of ListEvents: after which event to go on, and what the page's snapshot must hold. */
export const eventTokens = new PageTokens<EventFilter, EventCursor>('ListEvents', {
  write: ({ recordedTimeUs, seq, firstBeat }) => [recordedTimeUs, seq, firstBeat].map(String),
  read: ([recordedTimeUs, seq, firstBeat, ...more]) =>
    more.length === 0 && isWhole(recordedTimeUs) && isWhole(seq) && isWhole(firstBeat)
      ? { recordedTimeUs: Number(recordedTimeUs), seq: BigInt(seq), firstBeat: BigInt(firstBeat) }
      : undefined,
});

function parse(token: string): unknown[] {
  if (token.length > TOKEN_LIMIT) return [];
  try {
    const content: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return Array.isArray(content) ? content : [];
  } catch {
    return [];
  }
}

const isId = (value: unknown): value is string => typeof value === 'string' && isValidId(value);
const isWhole = (value: unknown): value is string => typeof value === 'string' && WHOLE_NUMBER.test(value);
