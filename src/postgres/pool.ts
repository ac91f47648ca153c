import pg from 'pg';
import { socketOf } from './client-socket.js';
import { shareSessions } from './shared-sessions.js';
import { parseTimestampUs } from './timestamps.js';

/** Bounds of one pool; all from configuration. */
export interface PoolLimits {
  readonly max: number;
  readonly min: number;
  readonly idleMs: number;
  readonly lifetimeMs: number;
}

export interface PoolOptions {
  readonly url: string;
  /** What the pool is for; shown by pg_stat_activity and in metrics. */
  readonly name: string;
  readonly limits: PoolLimits;
  /** Session settings beside those that every session has. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Statements of one client are sent without waiting for each other's answers. */
  readonly pipeline?: boolean;
  readonly onError: (error: Error) => void;
}

/** The role that every session of the service takes on: it can add to the event log, and never change it. */
export const APP_ROLE = 'onhand_app';

/** How long a caller waits for a connection, free or new. */
const CONNECT_TIMEOUT_MS = 1_000;
/** How long a new connection may take, whoever still waits for it. */
const CONNECT_ATTEMPT_MS = 3_000;
/** Above statement_timeout, so that it ends only what the server cannot end: a connection that went silent. */
const SILENCE_TIMEOUT_MS = 4_000;

const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  role: APP_ROLE,
  TimeZone: 'UTC',
  DateStyle: 'ISO',
  // What is acknowledged is on disk, and on a synchronous standby where there is one.
  synchronous_commit: 'on',
  // Each statement sees what was committed before it, not before its transaction: the ledger reads after its locks.
  default_transaction_isolation: 'read committed',
  // A COMMIT that no standby confirmed comes with a warning, which must reach us.
  client_min_messages: 'warning',
  statement_timeout: '2000',
  lock_timeout: '500',
  idle_in_transaction_session_timeout: '1000',
};

const INT8_OID = 20;
const TIMESTAMPTZ_OID = 1184;

const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8_OID) return BigInt;
    if (oid === TIMESTAMPTZ_OID) return parseTimestampUs;
    return pg.types.getTypeParser(oid, format as 'text');
  }) as typeof pg.types.getTypeParser,
};

export type Pool = pg.Pool;
export type Client = pg.PoolClient;

/**
 * Makes a pool whose every wait is bounded and whose clients cannot bring the process down: an error on a client that
 * is checked out is an `error` event too, and without a listener it would be fatal.
 */
export function createPool(options: PoolOptions): Pool {
  const { connectionString, isShared, settings } = readUrl(options.url, {
    ...SESSION_SETTINGS,
    ...options.settings,
  });
  const pool = new PatientPool({
    connectionString,
    application_name: `onhand ${options.name}`,
    max: options.limits.max,
    min: Math.min(options.limits.min, options.limits.max),
    idleTimeoutMillis: options.limits.idleMs,
    maxLifetimeSeconds: Math.ceil(options.limits.lifetimeMs / 1000),
    connectionTimeoutMillis: CONNECT_ATTEMPT_MS,
    query_timeout: SILENCE_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    types,
    ...(isShared ? {} : { options: startupOptions(settings) }),
    ...(isShared || options.pipeline === true ? { pipeline: true } : {}),
  } as pg.PoolConfig);
  if (isShared) shareSessions(pool, settings);
  pool.on('error', options.onError);
  pool.on('connect', (client) => client.on('error', options.onError));
  return pool;
}

type OnClient = (error: Error | undefined, client?: Client, release?: Client['release']) => void;

/**
 * Lets a connection that takes longer than its caller can wait become the next caller's. The driver's own pool throws it
 * away and begins anew: a server that is slow for a moment would then get more and more attempts, and finish none.
 */
class PatientPool extends pg.Pool {
  override connect(): Promise<Client>;
  override connect(onClient: OnClient): void;
  override connect(onClient?: OnClient): Promise<Client> | undefined {
    const client = inTime(super.connect());
    if (onClient === undefined) return client;
    client.then((one) => onClient(undefined, one, one.release), onClient);
    return undefined;
  }
}

function inTime(connecting: Promise<Client>): Promise<Client> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`));
    }, CONNECT_TIMEOUT_MS);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    connecting.then(
      (client) => settle(() => (late ? client.release() : resolve(client))),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/** Ends a pool without waiting for what runs on it: its connections are cut, and their statements fail at once. */
export async function destroyPool(pool: Pool): Promise<void> {
  const { _clients: clients } = pool as unknown as { _clients: Client[] };
  for (const client of [...clients]) socketOf(client).destroy();
  await pool.end();
}

/** What a URL says beside where the database is. */
interface SessionUrl {
  readonly connectionString: string;
  /** A pooler lends sessions for one transaction each: `pool_mode=transaction`. */
  readonly isShared: boolean;
  /** Ours, and those of the URL's own `options`, which win. */
  readonly settings: Readonly<Record<string, string>>;
}

function readUrl(url: string, settings: Readonly<Record<string, string>>): SessionUrl {
  const parsed = new URL(url);
  const own = parsed.searchParams.get('options') ?? '';
  const isShared = parsed.searchParams.get('pool_mode') === 'transaction';
  for (const name of ['options', 'pool_mode']) parsed.searchParams.delete(name);
  const pairs = own.matchAll(/-(?:c\s*|-)([\w.]+)=((?:\\.|[^\s\\])*)/g);
  const ofUrl = [...pairs].map(([, name = '', value = '']) => [name, value.replace(/\\(.)/g, '$1')]);
  return {
    connectionString: parsed.toString(),
    isShared,
    settings: { ...settings, ...Object.fromEntries(ofUrl) },
  };
}

const startupOptions = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replace(/[ \\]/g, '\\$&')}`)
    .join(' ');
