import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../src/dev/ports.js';
import { type RedisServer, startRedis } from '../src/dev/redis-server.js';
import { endProcess, plainEnvironment, spawnServer } from '../src/dev/server-process.js';
import { until } from './until.js';

const PATIENCE_MS = 20_000;
const SLOTS = 16_384;
const MASTERS = 3;

/** Several Redis processes of the test's own that belong together. */
export interface RedisGroup {
  /** As REDIS_URL names it. */
  readonly url: string;
  /** Each server by itself, that holds data. */
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

/** A Redis Cluster of three masters, each with a third of the slots. */
export async function startRedisCluster(program: string): Promise<RedisGroup> {
  const folder = mkdtempSync(join(tmpdir(), 'onhand-redis-cluster-'));
  const servers: RedisServer[] = [];
  const stop = async () => {
    for (const server of servers) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const busPorts: number[] = [];
    for (let n = 0; n < MASTERS; n++) {
      const busPort = await freePort();
      busPorts.push(busPort);
      const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort)];
      const extraArguments = [...cluster, '--cluster-node-timeout', '2000'];
      servers.push(await startRedis({ program, dataDir: join(folder, String(n)), port: 0, extraArguments }));
    }
    const share = Math.ceil(SLOTS / MASTERS);
    for (const [n, { port }] of servers.entries()) {
      const last = Math.min((n + 1) * share, SLOTS) - 1;
      await ask(port, 'CLUSTER', 'ADDSLOTSRANGE', String(n * share), String(last));
      const [first] = servers;
      if (n > 0) await ask(port, 'CLUSTER', 'MEET', '127.0.0.1', String(first!.port), String(busPorts[0]));
    }
    await until(
      async () => {
        const states = await Promise.all(servers.map(({ port }) => ask(port, 'CLUSTER', 'INFO')));
        return states.every((state) => /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(String(state)));
      },
      'the cluster does not come together',
      PATIENCE_MS,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis-cluster://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    servers,
    stop,
  };
}

/** One Redis that a Sentinel watches. */
export async function startSentinel(program: string): Promise<RedisGroup> {
  const folder = mkdtempSync(join(tmpdir(), 'onhand-redis-sentinel-'));
  const server = await startRedis({ program, dataDir: join(folder, 'master'), port: 0 });
  const port = await freePort();
  const config = join(folder, 'sentinel.conf');
  writeFileSync(
    config,
    `port ${port}\nbind 127.0.0.1\ndir ${folder}\nsentinel monitor onhand 127.0.0.1 ${server.port} 1\n`,
  );
  const sentinel = spawnServer({
    command: program,
    args: [config, '--sentinel'],
    logFile: join(folder, 'sentinel.log'),
    env: plainEnvironment(),
  });
  const stop = async () => {
    await endProcess(sentinel, [['SIGTERM', 5_000]]);
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const known = async () => {
      const answer = await ask(port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'onhand').catch(() => undefined);
      return String(answer).endsWith(String(server.port));
    };
    await until(known, 'the Sentinel does not know its master', PATIENCE_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis-sentinel://127.0.0.1:${port}/onhand`, servers: [server], stop };
}

async function ask(port: number, command: string, ...words: string[]): Promise<unknown> {
  const redis = new Redis({ port, retryStrategy: () => null, enableReadyCheck: false });
  redis.on('error', () => undefined);
  try {
    return await redis.call(command, ...words);
  } finally {
    redis.disconnect();
  }
}
