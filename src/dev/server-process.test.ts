import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { poll } from './poll.js';
import { startRedis } from './redis-server.js';
import {
  endProcess,
  plainEnvironment,
  rotateLog,
  type ServerProcess,
  spawnServer,
} from './server-process.js';
import { startServiceChild } from './service-child.js';

let folder: string;
let logFile: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-process-'));
  logFile = join(folder, 'log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const log = () => readFileSync(logFile, 'utf8');

/** A server that has taken its signal handlers on. */
async function startServer(code: string): Promise<ServerProcess> {
  const args = ['-e', `${code}; setInterval(() => {}, 1e6); console.log('ready')`];
  const server = spawnServer({ command: process.execPath, args, logFile, env: plainEnvironment() });
  expect(await poll(() => log().includes('ready') || undefined, 30_000)).toBe(true);
  return server;
}

test('a server is asked to end, with each signal in turn, and killed at last', async () => {
  const obeying = await startServer('');
  await endProcess(obeying, [['SIGTERM', 30_000]]);
  expect(await obeying.exited).toEqual({ code: null, signal: 'SIGTERM' });
  obeying.signal('SIGTERM');

  rotateLog(logFile);
  const second = await startServer(`process.on('SIGTERM', () => console.log('no'))`);
  await endProcess(second, [
    ['SIGTERM', 100],
    ['SIGINT', 30_000],
  ]);
  expect(await second.exited).toEqual({ code: null, signal: 'SIGINT' });

  rotateLog(logFile);
  const deaf = await startServer(`process.on('SIGTERM', () => console.log('no'))`);
  await endProcess(deaf, [['SIGTERM', 100]]);
  expect(await deaf.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('a program that is not there is named', () => {
  const command = join(folder, 'no-such-program');
  expect(() => spawnServer({ command, args: [], logFile, env: {} })).toThrow(
    `${command} could not be started: is it there and executable?`,
  );
});

test('a Redis that ends at once is named, with where to read more', async () => {
  const start = startRedis({ program: process.execPath, dataDir: folder, port: 0 });
  await expect(start).rejects.toThrow(
    new RegExp(`${process.execPath} did not start on port \\d+: see ${folder}/redis.log`),
  );
  expect(readFileSync(join(folder, 'redis.log'), 'utf8')).toContain('bad option');
});

test('a service that ends before it is ready is reported; one that was told to end meanwhile is not', async () => {
  const pids: number[] = [];
  const start = (signal: AbortSignal) =>
    startServiceChild(
      {
        environment: {
          ...plainEnvironment(),
          NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE,
          DATABASE_URL: 'x',
        },
        readyUrl: 'http://127.0.0.1:1/readyz',
        logFile,
        onSpawn: (pid) => pids.push(pid),
      },
      signal,
    );
  await expect(start(new AbortController().signal)).rejects.toThrow(
    `The service ended before it was ready: see above and ${logFile}.`,
  );
  expect(log()).toContain('DATABASE_URL must be');
  await expect(start(AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  expect(pids).toHaveLength(2);
});
