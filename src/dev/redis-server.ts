import { mkdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { poll } from './poll.js';
import { freePort } from './ports.js';
import { endProcess, type ProcessEnd, plainEnvironment, spawnServer } from './server-process.js';

const readyTimeoutMs = 10_000;

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  readonly url: string;
  readonly exited: Promise<ProcessEnd>;
  stop(): Promise<void>;
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
  /** Beside those of a cache. */
  extraArguments?: readonly string[];
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
    args: [
      ...network,
      ...cacheOnly,
      ...['--dir', options.dataDir, '--daemonize', 'no'],
      ...(options.extraArguments ?? []),
    ],
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
