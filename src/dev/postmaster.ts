import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { poll } from './poll.js';
import { freePort } from './ports.js';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.js';
import { withConnection } from './postgres-session.js';
import { endProcessById, isAlive } from './process-registry.js';
import {
  endProcess,
  logPosition,
  logSince,
  type ProcessEnd,
  plainEnvironment,
  type ServerProcess,
  spawnServer,
} from './server-process.js';
import { messageOf } from './terminal.js';

const superuser = 'onhand';
const readyTimeoutMs = 90_000;
/** How long backends of a killed postmaster may hold on to its shared memory. */
const leftoversTimeoutMs = 20_000;
const attempts = 5;

const baseSettings: Readonly<Record<string, string>> = {
  unix_socket_directories: '',
  wal_level: 'replica',
  hot_standby: 'on',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  // A replica that stays away must not fill the disk; it is built anew when it comes back.
  max_slot_wal_keep_size: '4GB',
  deadlock_timeout: '200ms',
  client_connection_check_interval: '1s',
  hot_standby_feedback: 'off',
  // A replica looks for its primary again after this time; the default of 5 s makes restarts slow.
  wal_retrieve_retry_interval: '500ms',
  TimeZone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %a ',
};

export interface PostmasterOptions {
  /** The cluster's folder. */
  readonly dataDir: string;
  /** 0 chooses a free one. */
  readonly port: number;
  readonly host?: string | undefined;
  readonly password: string;
  /** Added to, or instead of, the settings of production. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Another PostgreSQL than that of the npm packages. */
  readonly programs?: Pick<PostgresBinaries, 'initdb' | 'postgres'> | undefined;
  /** Default: the cluster's folder with `.log` behind its name. */
  readonly logFile?: string | undefined;
  /** Called with the process id as soon as there is one. */
  readonly onSpawn?: ((pid: number) => void) | undefined;
}

/** A PostgreSQL server that runs and answers. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  readonly password: string;
  readonly exited: Promise<ProcessEnd>;
  /** The superuser's URL of a database of this server; default `onhand`. */
  url(database?: string): string;
  /** `fast` ends sessions and writes a checkpoint; `immediate` is a crash that PostgreSQL recovers from. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** SIGKILL to the postmaster, as a crash of the machine's kernel would end it. */
  kill9(): Promise<void>;
}

/** Starts `postgres` on a folder that initdb or a copy has filled, and waits until it answers. */
export async function startPostmaster(options: PostmasterOptions): Promise<PostgresServer> {
  const host = options.host ?? '127.0.0.1';
  const logFile = options.logFile ?? `${options.dataDir}.log`;
  const leftoversGoneBy = performance.now() + leftoversTimeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    await endLeftover(options.dataDir);
    const port = options.port === 0 ? await freePort() : options.port;
    const position = logPosition(logFile);
    const server = describe(options, host, port, spawnPostmaster(options, host, port, logFile));
    const problem = await whyNotReady(server);
    if (problem === undefined) return server;
    const log = logSince(logFile, position);
    const held = /shared memory block|lock file "postmaster\.pid" already exists/.test(log);
    const portTaken = options.port === 0 && /could not bind|Address already in use/.test(log);
    const again = (held && performance.now() < leftoversGoneBy) || (portTaken && attempt < attempts);
    if (!again)
      throw new Error(
        `PostgreSQL did not start on ${options.dataDir}: ${problem}\n${lastLines(log)}See ${logFile}.`,
      );
  }
}

function spawnPostmaster(
  options: PostmasterOptions,
  host: string,
  port: number,
  logFile: string,
): ServerProcess {
  const { postgres, account } = { ...findPostgresBinaries(), ...options.programs };
  const settings = { ...baseSettings, ...options.settings, listen_addresses: host, port: String(port) };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return spawnServer({
    command: postgres,
    args: ['-D', options.dataDir, ...args],
    logFile,
    env: plainEnvironment(),
    account,
    onSpawn: options.onSpawn,
  });
}

type RunningServer = PostgresServer & { hasExited(): boolean };

function describe(
  options: PostmasterOptions,
  host: string,
  port: number,
  running: ServerProcess,
): RunningServer {
  return {
    host,
    port,
    pid: running.pid,
    dataDir: options.dataDir,
    password: options.password,
    exited: running.exited,
    hasExited: running.hasExited,
    url: (database = 'onhand') => `postgres://${superuser}:${options.password}@${host}:${port}/${database}`,
    stop: (mode = 'fast') =>
      endProcess(
        running,
        mode === 'fast'
          ? [
              ['SIGINT', 20_000],
              ['SIGQUIT', 5_000],
            ]
          : [['SIGQUIT', 5_000]],
      ),
    kill9: () => endProcess(running, []),
  };
}

/** Waits until the server answers. @returns undefined when it does, else what is wrong; then the process has ended. */
async function whyNotReady(server: RunningServer): Promise<string | undefined> {
  let last = 'no answer';
  const answer = await poll(async () => {
    if (server.hasExited()) return 'ended';
    try {
      await withConnection(server.url('postgres'), (client) => client.query('SELECT 1'));
      return 'ready';
    } catch (error) {
      last = messageOf(error);
      return (error as { code?: string }).code === '28P01' ? 'password' : undefined;
    }
  }, readyTimeoutMs);
  if (answer === 'ready' && !server.hasExited()) return undefined;
  await server.stop('fast');
  if (answer === 'password')
    return 'the password file beside the folder is not the one that it was made with.';
  const end = await server.exited;
  return answer === 'ended'
    ? `it ended with code ${end.code ?? end.signal}.`
    : `not ready after ${readyTimeoutMs} ms (${last}).`;
}

function lastLines(log: string): string {
  const lines = log.trim().split('\n').slice(-6);
  return lines[0] === '' ? '' : `${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

/**
 * Makes way for a new server on this folder. A PostgreSQL that an earlier run left there is ended. PostgreSQL removes a
 * stale postmaster.pid by itself, except where an unrelated process has got the same number since (after a reboot, or
 * in another container): then we do.
 */
export async function endLeftover(dataDir: string): Promise<void> {
  const pid = pidInLock(dataDir);
  if (pid === undefined || !isAlive(pid)) return;
  if (servesFolder(pid, dataDir)) await endProcessById(pid, 'SIGINT', leftoversTimeoutMs);
  else rmSync(join(dataDir, 'postmaster.pid'), { force: true });
}

function pidInLock(dataDir: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function servesFolder(pid: number, dataDir: string): boolean {
  try {
    const args = execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
    return args.includes(`postgres -D ${dataDir} `);
  } catch {
    return false;
  }
}
