import pg from 'pg';
import { inOneWrite } from './client-socket.js';
import type { Client, Pool } from './pool.js';
import { isTransactionError } from './sql-errors.js';

/**
 * Connections through a pooler that lends a session of PostgreSQL for one transaction only, as PgBouncer does in
 * transaction mode. Nothing may stay behind in the session, and nothing can be expected of it: each transaction begins
 * with the settings, for itself alone, and no statement has a name.
 */

type Statement = string | (pg.QueryConfig & { readonly query_timeout?: number });
type Send = (statement: Statement) => Promise<pg.QueryResult>;

/** What opens a transaction for the ledger and for each statement that is sent alone. */
const BEGIN = 'BEGIN';
const COMMIT = 'COMMIT';

/** The isolation is not left to the settings: they come when the transaction has begun. */
const beginWith = (settings: Readonly<Record<string, string>>): string =>
  [
    'BEGIN ISOLATION LEVEL READ COMMITTED',
    ...Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${pg.escapeLiteral(value)}`),
  ].join('; ');

/** Makes a pool, whose clients are pipelined, one of shared sessions. */
export function shareSessions(pool: Pool, settings: Readonly<Record<string, string>>): void {
  const begin = beginWith(settings);
  pool.on('connect', (client) => {
    const send = client.query.bind(client) as Send;
    client.query = ((statement: Statement) => send(forSharedSession(statement, begin))) as Client['query'];
  });
  pool.query = ((statement: Statement) => runAlone(pool, statement)) as Pool['query'];
}

function forSharedSession(statement: Statement, begin: string): Statement {
  if (typeof statement === 'string') return statement === BEGIN ? begin : statement;
  if (statement.text === BEGIN) return begin;
  const { name: _, ...unnamed } = statement;
  return unnamed;
}

/** Runs a statement in a transaction of its own, in one round trip. */
async function runAlone(pool: Pool, statement: Statement): Promise<pg.QueryResult> {
  const client = await pool.connect();
  const sent = inOneWrite(client, () =>
    [BEGIN, statement, COMMIT].map((each) => client.query(each as string)),
  );
  const [begun, answer, committed] = (await Promise.allSettled(sent)) as [Settled, Settled, Settled];
  const failed = [begun, answer, committed].find(({ status }) => status === 'rejected');
  client.release(failed !== undefined && !isTransactionError(failed.reason));
  if (failed !== undefined) throw failed.reason;
  return answer.value!;
}

interface Settled {
  readonly status: 'fulfilled' | 'rejected';
  readonly value?: pg.QueryResult;
  readonly reason?: unknown;
}
