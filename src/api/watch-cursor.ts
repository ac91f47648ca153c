import { createHash } from 'node:crypto';
import type { Cursor } from '../feed/cursor.js';
import type { WatchFilter } from '../feed/watch-filter.js';
import { invalidFields } from './errors.js';

/** Cursors of another version are refused: their meaning is not known. */
const CURSOR_VERSION = 1;
/** A cursor names the transactions that were running: a few as a rule, one for each connection of the server at most. */
const CURSOR_LIMIT = 12_000;
const DIGEST_LENGTH = 22;
const BASE64URL = /^[\w-]+$/;
const XID = /^\d{1,20}$/;
const HEX_DIGITS = /^[0-9a-f]{1,8}$/;

/** All streams stand at the same few places. */
const encoded = new WeakMap<Cursor, string>();

/**
 * The cursors of one filter: base64url, opaque to callers. A cursor begins with a digest of the filter, to which it is
 * bound; then it tells where it stands.
 */
export class WatchCursors {
  readonly #digest: string;

  constructor({ storeId, productIds }: WatchFilter) {
    const filter = JSON.stringify(['Watch', storeId ?? null, productIds]);
    this.#digest = createHash('sha256').update(filter).digest('base64url').slice(0, DIGEST_LENGTH);
  }

  encode(cursor: Cursor): string {
    let text = encoded.get(cursor);
    if (text === undefined) {
      text = encode(cursor);
      encoded.set(cursor, text);
    }
    return this.#digest + text;
  }

  /**
   * Where to go on; undefined where no cursor is given.
   *
   * @param field that it stands in.
   * @throws InventoryError INVALID_FIELD where it is none of ours, or belongs to another filter.
   */
  decode(text: string, field = 'cursor'): Cursor | undefined {
    if (text === '') return undefined;
    const cursor = decode(text.slice(DIGEST_LENGTH));
    if (cursor === undefined || text.length > CURSOR_LIMIT)
      throw invalid(field, 'Cursor must be one that this service gave');
    if (!text.startsWith(this.#digest))
      throw invalid(field, 'Cursor belongs to another store or other products; watch without a cursor');
    return cursor;
  }
}

const invalid = (field: string, description: string) => invalidFields([{ field, description }]);

function encode({ database, timeline, synchronous, last, running }: Cursor): string {
  const below = running.map((xid) => Number(last - xid));
  const place = [CURSOR_VERSION, database, timeline.toString(16), synchronous, String(last), below];
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function decode(text: string): Cursor | undefined {
  const [version, database, timeline, synchronous, last, below, ...more] = parse(text);
  if (version !== CURSOR_VERSION || more.length > 0) return undefined;
  if (typeof database !== 'string' || typeof synchronous !== 'boolean') return undefined;
  if (!isText(timeline, HEX_DIGITS) || !isText(last, XID) || !Array.isArray(below)) return undefined;
  const xid = BigInt(last);
  if (!below.every((each) => Number.isSafeInteger(each) && each >= 0 && BigInt(each) <= xid))
    return undefined;
  const running = below.map((each) => xid - BigInt(each));
  return { database, timeline: BigInt(`0x${timeline}`), synchronous, last: xid, running };
}

function parse(text: string): unknown[] {
  if (!BASE64URL.test(text)) return [];
  try {
    const content: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return Array.isArray(content) ? content : [];
  } catch {
    return [];
  }
}

const isText = (value: unknown, pattern: RegExp): value is string =>
  typeof value === 'string' && pattern.test(value);
