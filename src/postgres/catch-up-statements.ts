import type { StockChange, StockKey } from '../domain/types.js';
import { textArray } from './array-literal.js';
import { TIMELINE, toTimeline } from './beat-statements.js';
import { CHANGE_COLUMNS, CHANGED, type ChangeColumns, type Seen, toChange } from './feed-statements.js';
import type { ReadFrom } from './snapshot.js';

/** Reads what was committed between two places in the event log, of some stocks. */

/** Events of transactions up to `to.last`, but for those that were running there: what has been seen there. */
export interface Range {
  readonly from: Seen;
  readonly to: Seen;
}

/** What the server tells of a range. */
export interface RangeState {
  /** The timeline that it writes; undefined for a standby. */
  readonly timeline: bigint | undefined;
  /** An event of the transaction `from.last` is there, or there is no such transaction. */
  readonly lastIsThere: boolean;
  /** Events in the range, of whatever stocks; at most `limit` are counted. */
  readonly events: number;
}

const STATE = `SELECT ${TIMELINE},
    $1::xid8 = '0' OR EXISTS (SELECT FROM event_log WHERE xid = $1) AS last_is_there,
    (SELECT count(*) FROM (SELECT FROM event_log WHERE xid > $1 AND xid <= $2::xid8 LIMIT $3) e) AS events`;

/** The range is small, and its order is not that of any index: each page looks at all of it. */
const PAGE = `SELECT h.timeline, c.* FROM (SELECT ${TIMELINE}) h FULL JOIN (
    SELECT ${CHANGE_COLUMNS} FROM (
      SELECT * FROM event_log WHERE xid > $1::xid8 AND xid <= $3::xid8
      UNION ALL
      SELECT * FROM event_log WHERE xid = ANY ($2::xid8[])
    ) e
    WHERE ${CHANGED} AND xid <> ALL ($4::xid8[]) AND ($5::text IS NULL OR store_id = $5)
      AND ($6::text[] IS NULL OR product_id = ANY ($6)) AND (store_id, product_id, version) > ($7, $8, $9::bigint)
    ORDER BY store_id, product_id, version LIMIT $10
  ) c ON false
  ORDER BY c.store_id, c.product_id, c.version`;

/** Looks at a range. @throws what the connection or the server says. */
export async function lookAtRange(
  { pool, timeoutMs }: ReadFrom,
  { from, to }: Range,
  limit: number,
): Promise<RangeState> {
  const query = { text: STATE, values: [from.last, to.last, limit], query_timeout: timeoutMs };
  const { rows } = await pool.query(query);
  const { timeline, last_is_there, events } = rows[0];
  return { timeline: toTimeline(timeline), lastIsThere: last_is_there, events: Number(events) };
}

/** Which stocks' changes to read, and after which one to go on. */
export interface ChangeSelection {
  readonly storeId: string | undefined;
  /** None means all products. */
  readonly productIds: readonly string[];
  readonly after: (StockKey & { readonly version: bigint }) | undefined;
}

/** At most `limit` changes of the range, by store, product and version. @throws what the connection or the server says. */
export async function readRange(
  { pool, timeoutMs }: ReadFrom,
  { from, to }: Range,
  selection: ChangeSelection,
  limit: number,
): Promise<{ readonly timeline: bigint | undefined; readonly changes: StockChange[] }> {
  const { storeId, productIds, after } = selection;
  const products = productIds.length === 0 ? null : textArray(productIds);
  const position = [after?.storeId ?? '', after?.productId ?? '', after?.version ?? 0n];
  const range = [from.last, from.running.filter((xid) => xid <= to.last), to.last, to.running];
  const values = [...range, storeId, products, ...position, limit];
  const { rows } = await pool.query({ text: PAGE, values, query_timeout: timeoutMs } as { text: string });
  const changes = rows.filter((row) => row.store_id !== null) as ChangeColumns[];
  const header = rows.find((row) => row.store_id === null);
  return { timeline: toTimeline(header?.timeline ?? null), changes: changes.map(toChange) };
}
