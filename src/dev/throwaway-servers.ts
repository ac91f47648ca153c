import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgresBinaries } from './postgres-binaries.js';
import { startReplica } from './postgres-replica.js';
import { startPrimary } from './postgres-server.js';
import type { PostgresServer } from './postmaster.js';
import { ProcessRegistry } from './process-registry.js';
import { type RedisServer, startRedis } from './redis-server.js';
import { reachableFolder } from './server-account.js';

const folderPrefix = 'onhand-servers-';
const NEW_FOR_MS = 10_000;

/** Servers for one run of tests, on free ports, in a folder that is removed at the end. */
export interface ThrowawayServers {
  readonly folder: string;
  readonly primary: PostgresServer;
  readonly replica: PostgresServer;
  readonly redis: RedisServer | undefined;
  stop(): Promise<void>;
}

export interface ThrowawayOptions {
  /** Without it there is no Redis. */
  readonly redisProgram?: string | undefined;
  /** Of both PostgreSQL servers, instead of those of production. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts a primary, a replica and, where a program for it is given, Redis. PostgreSQL writes as durably as in production.
 * What a killed earlier run left behind is removed first.
 */
export async function startThrowawayServers(options: ThrowawayOptions = {}): Promise<ThrowawayServers> {
  const { redisProgram, settings } = options;
  const { account } = findPostgresBinaries();
  const parent = reachableFolder(account, tmpdir());
  await removeLeftovers(parent);
  const folder = mkdtempSync(join(parent, folderPrefix));
  chmodSync(folder, 0o755);
  const registry = new ProcessRegistry(join(folder, 'run'));
  registry.claim('owner', 'tests');
  const common = (name: string) => ({
    dataDir: join(folder, name),
    port: 0,
    onSpawn: (pid: number) => registry.record(name, pid, name),
  });
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    for (const server of started.splice(0).reverse()) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const keep = <T extends { stop(): Promise<void> }>(server: T): T => {
    started.push(server);
    return server;
  };
  try {
    const primary = keep(await startPrimary({ ...common('primary'), settings }));
    const replica = keep(
      await startReplica({ primary, slotName: 'replica_1', ...common('replica'), settings }),
    );
    const redis =
      redisProgram === undefined
        ? undefined
        : keep(await startRedis({ program: redisProgram, ...common('redis') }));
    return { folder, primary, replica, redis, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A run that was killed cannot clean up; the next one does, when its owner is gone. */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(folderPrefix))) {
    const folder = join(parent, name);
    try {
      const registry = new ProcessRegistry(join(folder, 'run'));
      if (registry.living('owner') !== undefined || isNew(folder)) continue;
      for (const server of ['redis', 'replica', 'primary']) await registry.endOrphan(server, 'SIGINT');
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another user's, or it goes away right now: neither is ours to remove.
    }
  }
}

/** Another run may have made the folder just now, and not claimed it yet. */
const isNew = (folder: string): boolean => Date.now() - statSync(folder).mtimeMs < NEW_FOR_MS;
