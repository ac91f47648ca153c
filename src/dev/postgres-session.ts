import pg from 'pg';

const connectTimeoutMs = 5_000;

/**
 * Runs some statements on one connection of its own, which is closed afterwards.
 *
 * @param url the database, as postgres://user:password@host:port/name.
 */
export async function withConnection<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'onhand-dev',
  });
  // A connection that breaks between two statements emits this event; the next statement reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
