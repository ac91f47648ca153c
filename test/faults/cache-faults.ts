import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import { insertStocks } from '../load/opening-stocks.js';
import { until } from '../until.js';
import { whileCrowded } from './crowded-redis.js';
import { note } from './findings.js';
import type { ServerName } from './replicated-servers.js';
import type { Scene } from './staleness-scene.js';
import { isStopped } from './stopped-processes.js';

/** What breaks under the caches. Each makes sure that it happened, while reads and writes went on, and ends it. */

const REPLAY_PAUSED_MS = 15_000;
const HELD_MS = 10_000;
const STANDBYS_AWAY_MS = 8_000;
const AWAY_MS = 5_000;
const DUMP_AGE_MS = 60_000;
const FLUSHES = 30;
const FLUSH_EVERY_MS = 300;
/** Of the readings, so many while Redis has no room. */
const CROWDED_READINGS = 60_000;
const PATIENCE_MS = 300_000;
const LATE_MS = 250;
const LATE_FOR_MS = 10_000;
const OLD_MS = 2_000;
const ALONE_MS = 2_000;

const keysIn = async (redis: Scene['redis']): Promise<number> => Number(await redis.run('DBSIZE'));

/** Both standbys go on receiving, so that writes go on, and show nothing of it. */
export async function pauseReplay({ servers }: Scene): Promise<void> {
  for (const name of servers.standbys) await servers.run(name, 'SELECT pg_wal_replay_pause()');
  await pause(REPLAY_PAUSED_MS);
  for (const name of servers.standbys) {
    const [row] = await servers.run(name, 'SELECT pg_get_wal_replay_pause_state() AS state');
    expect(row).toEqual({ state: 'paused' });
    await servers.run(name, 'SELECT pg_wal_replay_resume()');
  }
}

/** Without any standby no commit goes through, so that nothing new is acknowledged; reads go on all the same. */
export async function killStandbys({ servers }: Scene): Promise<void> {
  const standbys = servers.standbys as [ServerName, ServerName];
  for (const name of standbys) await servers.server(name).kill9();
  await pause(STANDBYS_AWAY_MS);
  const [row] = await servers.run('a', 'SELECT count(*)::integer AS streaming FROM pg_stat_replication');
  expect(row).toEqual({ streaming: 0 });
  for (const name of standbys) await servers.follow(name);
}

/** A transaction that took its number before all that comes meanwhile, and commits after it. */
export async function holdTransaction({ servers, client }: Scene): Promise<void> {
  await withConnection(servers.url('a'), async (session) => {
    await session.query('BEGIN');
    await insertStocks(session, ['held'], ['open'], 10);
    await Promise.all([pause(HELD_MS), client.untilMoreWrites(100, PATIENCE_MS)]);
    await session.query('COMMIT');
  });
}

export async function loseThePrimary({ servers, client }: Scene): Promise<void> {
  await servers.cutPower('a');
  await servers.promote();
  await Promise.all([
    client.untilMoreReadings(30_000, PATIENCE_MS),
    client.untilMoreWrites(100, PATIENCE_MS),
  ]);
}

/** It comes back empty: nothing was ever saved. */
export async function killRedis({ redis }: Scene): Promise<void> {
  expect(await keysIn(redis)).toBeGreaterThan(100);
  await redis.kill9();
  await pause(AWAY_MS);
  await redis.startAgain();
  expect(await redis.figure('rdb_last_load_keys_loaded')).toBe(0);
  await until(async () => (await keysIn(redis)) > 100, 'INVALID: nobody comes back to Redis', PATIENCE_MS);
}

export async function stopRedis({ redis }: Scene): Promise<void> {
  redis.signal('SIGSTOP');
  await until(() => isStopped(redis.pid), 'INVALID: Redis does not stop');
  await pause(AWAY_MS);
  expect(await isStopped(redis.pid)).toBe(true);
  redis.signal('SIGCONT');
}

/** Everything that was written meanwhile is missing in it. */
export async function restoreOldDump({ redis, client }: Scene): Promise<void> {
  await redis.run('SAVE');
  const before = client.totals.writes;
  await Promise.all([pause(DUMP_AGE_MS), client.untilMoreWrites(1_000, PATIENCE_MS)]);
  await redis.kill9();
  const ageMs = redis.dumpAgeMs;
  await redis.startAgain();
  const loaded = await redis.figure('rdb_last_load_keys_loaded');
  const writes = client.totals.writes - before;
  note(`${loaded} keys from a dump ${Math.round(ageMs / 1_000)} s old; ${writes} writes meanwhile`);
  expect(ageMs).toBeGreaterThanOrEqual(DUMP_AGE_MS);
  expect(loaded).toBeGreaterThan(1_000);
}

export async function flush({ redis }: Scene): Promise<void> {
  for (let time = 0; time < FLUSHES; time++) {
    expect(await keysIn(redis)).toBeGreaterThan(0);
    await redis.run('FLUSHALL');
    await pause(FLUSH_EVERY_MS);
  }
}

/** Whatever was put in goes soon, whoever needs it. */
export const evict = (scene: Scene): Promise<void> =>
  whileCrowded(scene, 'allkeys-random', () => scene.client.untilMoreReadings(CROWDED_READINGS, PATIENCE_MS));

/** What is there stays, and nothing newer comes in. */
export const fillUp = (scene: Scene): Promise<void> =>
  whileCrowded(scene, 'noeviction', () => scene.client.untilMoreReadings(CROWDED_READINGS, PATIENCE_MS));

/** The others go on with Redis, so that what it holds is new, and what this one holds must not be taken for it. */
export async function cutOneOff({ toRedis }: Scene): Promise<void> {
  toRedis.cut();
  await pause(AWAY_MS);
  toRedis.heal();
  await pause(AWAY_MS);
  expect(toRedis.broken).toBeGreaterThan(0);
  const broken = toRedis.broken;
  toRedis.hang();
  await pause(AWAY_MS);
  toRedis.heal();
  expect(toRedis.broken).toBeGreaterThan(broken);
}

/** Near enough to be read, and late enough that what is written is long known elsewhere when they show it. */
export async function lateStandbys({ servers }: Scene): Promise<void> {
  await servers.delayStandbys(LATE_MS);
  await pause(LATE_FOR_MS);
  await servers.delayStandbys(0);
}

/** All that is not in a process's memory comes from the standbys then. */
export async function lateStandbysWithoutRedis(scene: Scene): Promise<void> {
  await scene.redis.kill9();
  await lateStandbys(scene);
  await scene.redis.startAgain();
}

/** What was new in Redis is gone, while late standbys bring what was before it. */
export async function lateStandbysAndFlushes(scene: Scene): Promise<void> {
  await Promise.all([lateStandbys(scene), flush(scene)]);
}

/** The process that starts finds nothing but what is old in Redis: the others are stopped, and put nothing new there. */
export async function startBesideOldDump({ redis, services, client, startAgain }: Scene): Promise<void> {
  await redis.run('SAVE');
  await Promise.all([pause(OLD_MS), client.untilMoreWrites(100, PATIENCE_MS)]);
  const others = services.slice(1);
  for (const { pid } of others) process.kill(pid, 'SIGSTOP');
  await redis.kill9();
  await redis.startAgain();
  expect(await redis.figure('rdb_last_load_keys_loaded')).toBeGreaterThan(100);
  await startAgain();
  await pause(ALONE_MS);
  for (const { pid } of others) process.kill(pid, 'SIGCONT');
}

/** One process can read the standbys, and hears nothing any more of what is written: neither by its feed nor by hints. */
export async function cutFromWrites({ toPrimary, toRedis }: Scene): Promise<void> {
  for (const way of [toPrimary, toRedis]) way.hang();
  await pause(AWAY_MS);
  for (const way of [toPrimary, toRedis]) {
    expect(way.broken).toBeGreaterThan(0);
    way.heal();
  }
}
