import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { delimiter, join } from 'node:path';
import { poll } from './poll.js';
import { freePort } from './ports.js';
import { endProcess, type ProcessEnd, plainEnvironment, spawnServer } from './server-process.js';
import { say } from './terminal.js';

const readyTimeoutMs = 10_000;
const aptTimeoutMs = 180_000;
const usualFolders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin'];

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  readonly url: string;
  readonly exited: Promise<ProcessEnd>;
  stop(): Promise<void>;
}

/** The Redis (or Valkey) server program of this machine, or undefined where there is none. */
export function findRedis(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...usualFolders];
  return ['redis-server', 'valkey-server']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find(isExecutable);
}

/** As root on Debian or Ubuntu a missing Redis is installed from the distribution; elsewhere that is left to the user. */
export function findOrInstallRedis(): string | undefined {
  const present = findRedis();
  if (present !== undefined || process.getuid?.() !== 0 || !isExecutable('/usr/bin/apt-get')) return present;
  say('Installing redis-server with apt-get, because no Redis is here and we are root.');
  const problem = installWithApt();
  if (problem !== undefined) say(`redis-server could not be installed: ${problem}`);
  return findRedis();
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Debian starts a service that it installs unless this program says 101: we want the program, not the service. */
const servicePolicy = '/usr/sbin/policy-rc.d';

function installWithApt(): string | undefined {
  const ownPolicy = !existsSync(servicePolicy);
  if (ownPolicy) {
    writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n');
    chmodSync(servicePolicy, 0o755);
  }
  try {
    const problem = aptGet('update') ?? aptGet('install', '-y', '--no-install-recommends', 'redis-server');
    // Nor shall the service start by itself at the next boot. Fails where there is no systemd, which is as good.
    if (problem === undefined) spawnSync('systemctl', ['disable', 'redis-server'], { stdio: 'ignore' });
    return problem;
  } finally {
    if (ownPolicy) rmSync(servicePolicy, { force: true });
  }
}

function aptGet(...args: string[]): string | undefined {
  const waits = [
    '-o',
    'Acquire::http::Timeout=15',
    '-o',
    'Acquire::Retries=1',
    '-o',
    'DPkg::Lock::Timeout=60',
  ];
  const result = spawnSync('/usr/bin/apt-get', ['-qq', ...waits, ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: aptTimeoutMs,
  });
  if (result.status === 0) return undefined;
  return (
    result.error?.message ??
    (result.stderr.trim().split('\n').at(-1) || `apt-get ended with ${result.status}`)
  );
}

/**
 * Starts Redis on the loopback interface as a cache: bounded memory, nothing written to disk.
 *
 * @param port 0 chooses a free one.
 */
export async function startRedis(options: {
  program: string;
  dataDir: string;
  port: number;
  logFile?: string;
  onSpawn?: (pid: number) => void;
}): Promise<RedisServer> {
  const port = options.port === 0 ? await freePort() : options.port;
  mkdirSync(options.dataDir, { recursive: true });
  const logFile = options.logFile ?? join(options.dataDir, 'redis.log');
  const network = ['--bind', '127.0.0.1', '--port', String(port), '--protected-mode', 'yes'];
  const cacheOnly = [
    '--save',
    '',
    '--appendonly',
    'no',
    '--maxmemory',
    '256mb',
    '--maxmemory-policy',
    'allkeys-lfu',
  ];
  const running = spawnServer({
    command: options.program,
    args: [...network, ...cacheOnly, '--dir', options.dataDir, '--daemonize', 'no'],
    logFile,
    env: plainEnvironment(),
    onSpawn: options.onSpawn,
  });
  const ready = await poll(async () => {
    if (running.hasExited()) return false;
    return (await answersPing(port)) ? true : undefined;
  }, readyTimeoutMs);
  const stop = () => endProcess(running, [['SIGTERM', 5_000]]);
  if (ready !== true || running.hasExited()) {
    await stop();
    throw new Error(`${options.program} did not start on port ${port}: see ${logFile}.`);
  }
  return { port, pid: running.pid, url: `redis://127.0.0.1:${port}`, exited: running.exited, stop };
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: 1_000 });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (data) => finish(data.toString().startsWith('+PONG')));
    socket.once('error', () => finish(false));
    socket.once('timeout', () => finish(false));
  });
}
