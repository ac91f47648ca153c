import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGBOUNCER } from '../src/dev/optional-programs.js';
import { poll } from '../src/dev/poll.js';
import { freePort } from '../src/dev/ports.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { makePrivateFolder, reachableFolder, serverAccount } from '../src/dev/server-account.js';
import { endProcess, logSince, plainEnvironment, spawnServer } from '../src/dev/server-process.js';

const READY_TIMEOUT_MS = 20_000;

/** A real PgBouncer in transaction mode, in front of the server that a URL names. */
export interface PgBouncerProcess {
  /** The same database through PgBouncer, as Onhand takes it. */
  url(databaseUrl: string): string;
  stop(): Promise<void>;
}

/** @param settings of PgBouncer, instead of or beside those here. */
export async function startPgBouncer(
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<PgBouncerProcess> {
  const account = serverAccount();
  const folder = mkdtempSync(join(reachableFolder(account, tmpdir()), 'onhand-pgbouncer-'));
  makePrivateFolder(account, folder);
  const port = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(file, configuration(databaseUrl, { listen_port: String(port), ...settings }), {
    mode: 0o600,
  });
  if (account !== undefined) chownSync(file, account.uid, account.gid);
  const logFile = join(folder, 'log');
  const command = process.env[PGBOUNCER.givenIn] ?? '';
  const running = spawnServer({ command, args: [file], logFile, env: plainEnvironment(), account });
  const stop = async () => {
    await endProcess(running, [['SIGINT', 5_000]]);
    rmSync(folder, { recursive: true, force: true });
  };
  const plainUrl = (of: string) => {
    const url = new URL(of);
    url.host = `127.0.0.1:${port}`;
    return url;
  };
  const answers = () =>
    withConnection(plainUrl(databaseUrl).href, (client) => client.query('SELECT 1')).then(
      () => true,
      () => running.hasExited() || undefined,
    );
  await poll(answers, READY_TIMEOUT_MS);
  if ((await answers()) !== true || running.hasExited()) {
    const log = logSince(logFile, 0);
    await stop();
    throw new Error(`PgBouncer did not start:\n${log}`);
  }
  const url = (of: string) => {
    const through = plainUrl(of);
    through.searchParams.set('pool_mode', 'transaction');
    return through.href;
  };
  return { url, stop };
}

function configuration(databaseUrl: string, settings: Readonly<Record<string, string>>): string {
  const { hostname, port, username, password } = new URL(databaseUrl);
  const all = {
    listen_addr: '127.0.0.1',
    unix_socket_dir: '',
    // Whoever comes is let in, with the login that stands above: this is a test on the loopback interface.
    auth_type: 'any',
    pool_mode: 'transaction',
    default_pool_size: '20',
    max_client_conn: '200',
    ...settings,
  };
  return [
    '[databases]',
    `* = host=${hostname} port=${port} user=${username} password=${password}`,
    '[pgbouncer]',
    ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
    '',
  ].join('\n');
}
