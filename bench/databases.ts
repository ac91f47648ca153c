import { withConnection } from '../src/dev/postgres-session.js';
import type { PostgresServer } from '../src/dev/postmaster.js';
import { migrate } from '../src/postgres/migrate.js';
import { PRODUCTS, STORES } from './stocks.js';

export const ONHAND_DATABASE = 'bench_onhand';
export const NAIVE_DATABASE = 'bench_naive';

/** Of every stock: no run is long enough to sell it out, so that nothing is refused. */
const QUANTITY = 100_000_000;

const SEED = `
  INSERT INTO stock (store_id, product_id, net, version)
    SELECT '${STORES.prefix}' || store, '${PRODUCTS.prefix}' || product, ${QUANTITY}, 1
    FROM generate_series(${STORES.first}, ${STORES.last}) AS store,
      generate_series(${PRODUCTS.first}, ${PRODUCTS.last}) AS product;
  INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, requested_delta, applied_delta,
      net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint)
    SELECT store_id, gen_random_uuid(), product_id, 'RESTOCK', 'SUCCESS', 'APPLIED', net, net,
      0, net, version, create_time, create_time, create_time, 'bench', 'SYSTEM', 'RESTOCK:' || net || ':' || product_id
    FROM stock;`;

/**
 * Makes the service's database with the real schema and 100,000 stocks, each with the event that filled it, and a copy of
 * it for pgbench: both sides start from the same bytes on the same server.
 */
export async function createDatabases(server: PostgresServer): Promise<void> {
  await withConnection(server.url('postgres'), (client) =>
    client.query(`CREATE DATABASE ${ONHAND_DATABASE}`),
  );
  await migrate(server.url(ONHAND_DATABASE));
  await withConnection(server.url(ONHAND_DATABASE), async (client) => {
    await client.query(SEED);
    await client.query('VACUUM ANALYZE');
  });
  await withConnection(server.url('postgres'), async (client) => {
    await client.query(`CREATE DATABASE ${NAIVE_DATABASE} TEMPLATE ${ONHAND_DATABASE}`);
    await client.query('CHECKPOINT');
  });
}

/** The settings without which a commit is not durable, as the server tells them, and its version. */
export interface ServerSettings {
  readonly version: string;
  readonly fsync: string;
  readonly synchronous_commit: string;
  readonly full_page_writes: string;
}

/** @throws Error where one of them is not on: what is measured then is worth nothing. */
export async function durableSettings(server: PostgresServer): Promise<ServerSettings> {
  const names = ['fsync', 'synchronous_commit', 'full_page_writes'] as const;
  const columns = names.map((name) => `current_setting('${name}') AS ${name}`);
  const settings = await withConnection(server.url(ONHAND_DATABASE), async (client) => {
    const { rows } = await client.query<ServerSettings>(
      `SELECT current_setting('server_version') AS version, ${columns.join(', ')}`,
    );
    return rows[0]!;
  });
  const off = names.filter((name) => settings[name] !== 'on');
  if (off.length > 0) {
    throw new Error(
      `The server runs with ${off.map((name) => `${name} = ${settings[name]}`).join(', ')}: on is needed.`,
    );
  }
  return settings;
}

/** The sales of a database, and the stocks whose row does not follow from their events. */
export interface Audit {
  readonly sales: number;
  readonly wrongStocks: number;
}

/** Adds up the whole event log. */
export async function audit(server: PostgresServer, database: string): Promise<Audit> {
  return await withConnection(server.url(database), async (client) => {
    const { rows } = await client.query<Audit>(`
      WITH sums AS (
        SELECT store_id, product_id, sum(applied_delta) AS net, count(*) FILTER (WHERE status = 'SUCCESS') AS changes,
          count(*) FILTER (WHERE type = 'SALE' AND status = 'SUCCESS') AS sales
        FROM event_log GROUP BY store_id, product_id)
      SELECT (SELECT sum(sales)::int FROM sums) AS sales,
        (SELECT count(*)::int FROM stock FULL JOIN sums USING (store_id, product_id)
         WHERE stock.net IS DISTINCT FROM sums.net OR stock.version IS DISTINCT FROM changes) AS "wrongStocks"`);
    return rows[0]!;
  });
}
