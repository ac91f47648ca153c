import { withConnection } from '../src/dev/postgres-session.js';

/** One stock beside what its events come to. */
export interface AuditedStock {
  readonly storeId: string;
  readonly productId: string;
  readonly net: number;
  readonly version: number;
  /** Sum of the deltas of its events. */
  readonly deltas: number;
  /** Events that changed it, how many versions they have among them, and the last. */
  readonly changes: number;
  readonly versions: number;
  readonly lastVersion: number;
  readonly sales: number;
}

const AUDIT = `
  SELECT store_id AS "storeId", product_id AS "productId", coalesce(net, 0) AS net,
    coalesce(s.version, 0)::integer AS version, coalesce(deltas, 0)::integer AS deltas,
    coalesce(changes, 0)::integer AS changes, coalesce(versions, 0)::integer AS versions,
    coalesce("lastVersion", 0)::integer AS "lastVersion", coalesce(sales, 0)::integer AS sales
  FROM (SELECT * FROM stock WHERE store_id = coalesce($1, store_id) AND version > 0) s
  FULL JOIN (
    SELECT store_id, product_id, sum(applied_delta) AS deltas,
      count(*) FILTER (WHERE effect IN ('APPLIED', 'OVERSOLD')) AS changes,
      count(DISTINCT version) FILTER (WHERE effect IN ('APPLIED', 'OVERSOLD')) AS versions,
      max(version) FILTER (WHERE effect IN ('APPLIED', 'OVERSOLD')) AS "lastVersion",
      count(*) FILTER (WHERE type = 'SALE') AS sales
    FROM event_log WHERE store_id = coalesce($1, store_id) GROUP BY store_id, product_id
  ) e USING (store_id, product_id)
  ORDER BY 1, 2`;

/** The stocks of a store, or of all, in the order of their ids. */
export async function auditStocks(databaseUrl: string, storeId?: string): Promise<AuditedStock[]> {
  const { rows } = await withConnection(databaseUrl, (client) =>
    client.query<AuditedStock>(AUDIT, [storeId]),
  );
  return rows;
}

/** Whether the events add up to the stock: its net is their sum, and its version counts those that changed it, 1, 2, 3 … */
export const sumsUp = ({ net, deltas, version, ...events }: AuditedStock): boolean =>
  net === deltas && [events.changes, events.versions, events.lastVersion].every((count) => count === version);

/** Whether the events add up, and no more was sold than there was: where no store told of what it had sold already. */
export const addsUp = (stock: AuditedStock): boolean => sumsUp(stock) && stock.net >= 0;
