import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { REDIS } from '../../src/dev/optional-programs.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { insertStocks } from '../load/opening-stocks.js';
import type { ServerName } from './replicated-servers.js';
import { Stage } from './stage.js';
import { expectTrueAges, type RunOptions, type Scene } from './staleness-scene.js';

const RUN_TIMEOUT_MS = 300_000;
const REPLAY_PAUSED_MS = 15_000;
const HELD_MS = 10_000;
const STANDBYS_AWAY_MS = 8_000;

const stage = new Stage();

afterEach(() => stage.clear());

/** Both standbys go on receiving, so that writes go on, and show nothing of it. */
async function pauseReplay({ servers }: Scene): Promise<void> {
  for (const name of servers.standbys) await servers.run(name, 'SELECT pg_wal_replay_pause()');
  await pause(REPLAY_PAUSED_MS);
  for (const name of servers.standbys) {
    const [row] = await servers.run(name, 'SELECT pg_get_wal_replay_pause_state() AS state');
    expect(row).toEqual({ state: 'paused' });
    await servers.run(name, 'SELECT pg_wal_replay_resume()');
  }
}

/** Without any standby no commit goes through, so that nothing new is acknowledged; reads go on all the same. */
async function killStandbys({ servers }: Scene): Promise<void> {
  const standbys = servers.standbys as [ServerName, ServerName];
  for (const name of standbys) await servers.server(name).kill9();
  await pause(STANDBYS_AWAY_MS);
  const [row] = await servers.run('a', 'SELECT count(*)::integer AS streaming FROM pg_stat_replication');
  expect(row).toEqual({ streaming: 0 });
  for (const name of standbys) await servers.follow(name);
}

/** A transaction that took its number before all that comes meanwhile, and commits after it. */
async function holdTransaction({ servers, client }: Scene): Promise<void> {
  const before = client.totals.writes;
  await withConnection(servers.url('a'), async (session) => {
    await session.query('BEGIN');
    await insertStocks(session, ['held'], ['open'], 10);
    await pause(HELD_MS);
    await session.query('COMMIT');
  });
  expect(client.totals.writes - before).toBeGreaterThan(100);
}

async function loseThePrimary({ servers, client }: Scene): Promise<void> {
  await servers.cutPower('a');
  await servers.promote();
  const before = client.totals.writes;
  await client.untilMoreReadings(30_000, 60_000);
  expect(client.totals.writes - before).toBeGreaterThan(100);
}

const runs: readonly RunOptions[] = [
  { title: 'without a fault', seed: 1, fault: async () => undefined },
  { title: 'while the standbys replay nothing for 15 s', seed: 2, fault: pauseReplay },
  { title: 'while both standbys are dead', seed: 3, fault: killStandbys },
  { title: 'while a transaction stays open for 10 s', seed: 4, fault: holdTransaction },
  { title: 'over the loss of the primary', seed: 5, fault: loseThePrimary },
];

describeNeeding(REDIS, 'every answer is as new as it says', () => {
  test.each(runs)('$title', (run) => expectTrueAges(stage, run), RUN_TIMEOUT_MS);
});
