import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import type pg from 'pg';
import { poll } from '../../src/dev/poll.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { audit } from '../load/audit.js';
import { monotonicMs } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { failuresByReason, firstAcceptedAfterMs, note, succeeded, triesSentIn } from './findings.js';
import type { OwnServers } from './own-servers.js';
import { SmallDisk } from './small-disk.js';
import { Stage } from './stage.js';

const DISK_MB = 160;
const FULL_MS = 5_000;
const FAILED_WRITES = 300;
/** Of the tries; on a machine that is busy with other things some may take longer than their deadline. */
const READS_ANSWERED = 0.95;
/**
 * The connection that breaks as PostgreSQL gives up may have been waiting for the answer to COMMIT, and the tries that end
 * in UNAVAILABLE may take longer than the deadline.
 */
const RETRYABLE = /^(UNAVAILABLE (DATABASE_UNAVAILABLE|OUTCOME_UNKNOWN)|DEADLINE_EXCEEDED .*)$/;
const UNAVAILABLE_SHARE = 0.9;
/** As little WAL in reserve as PostgreSQL lets us choose. */
const SETTINGS = { max_wal_size: '32MB', min_wal_size: '32MB', max_slot_wal_keep_size: '-1' };

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'seed' | 'addresses' | 'mix'> = {
  connections: 2,
  load: { perSecond: 150 },
  stocks: { storePrefix: 'store', stores: 2, products: 20 },
  deadlineMs: 2_000,
  seconds: 180,
};

/**
 * Keeps the disk full for a while: moves on in the WAL until PostgreSQL finds no room for more, and takes what it makes
 * free when it starts anew after that.
 */
async function keepFull({ primary }: OwnServers, room: Room, isOver: () => boolean): Promise<void> {
  const message = 'x'.repeat(1_000_000);
  const emit = (client: pg.Client) =>
    client.query(`SELECT pg_logical_emit_message(false, '', $1)`, [message]);
  await poll(async () => {
    room.take();
    await withConnection(primary.url(), emit).catch(() => undefined);
    return isOver() ? true : undefined;
  }, 60_000);
}

/** What takes the room for WAL away, and gives it back. */
interface Room {
  /** Where the service finds the primary. */
  readonly databaseUrl: string;
  take(): void;
  give(): void;
}

async function limitedRoom(servers: OwnServers, disk: SmallDisk | undefined): Promise<Room> {
  if (disk === undefined) return roomByProxy(servers);
  await servers.primary.stop();
  disk.adopt(join(servers.primary.dataDir, 'pg_wal'));
  await servers.restartPrimary();
  return { databaseUrl: servers.databaseUrl, take: () => disk.fill(), give: () => disk.free() };
}

/** What callers see of a PostgreSQL that has given up and does not start again before there is room. */
async function roomByProxy({ databaseUrl }: OwnServers): Promise<Room> {
  note(
    'No disk can be mounted here (that takes root): a proxy that refuses connections stands for a full one.',
  );
  const proxy = await stage.proxy(databaseUrl);
  const take = () => {
    proxy.refuse();
    proxy.cutAll();
  };
  return { databaseUrl: proxy.url(databaseUrl), take, give: () => proxy.heal() };
}

function smallDisk(): SmallDisk | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return stage.keep(new SmallDisk(DISK_MB), async (disk) => disk.remove());
}

test('a full disk for WAL makes writes UNAVAILABLE, reads go on, and nothing is lost when there is room', async () => {
  // Before the servers, so that it goes after them.
  const disk = smallDisk();
  const servers = await stage.servers(SETTINGS);
  await openStocks(servers.databaseUrl, PLAN.stocks, 1_000);
  const room = await limitedRoom(servers, disk);
  const { grpcAddress } = await stage.service({
    databaseUrl: room.databaseUrl,
    replicaUrls: [servers.replicaUrl],
  });
  const common = { ...PLAN, addresses: [grpcAddress] };
  const writes = stage.load({ ...common, seed: 'writes', mix: { Sell: 1, Restock: 1 } });
  const reads = stage.load({ ...common, seed: 'reads', mix: { Get: 1 }, tries: 3 });
  await Promise.all([writes, reads].map((load) => load.untilAcceptedMore(300, 30_000)));

  // A replica that nobody remembers: PostgreSQL keeps all WAL for it.
  await withConnection(servers.databaseUrl, (client) =>
    client.query(`SELECT pg_create_physical_replication_slot('forgotten', true)`),
  );
  const fromMs = monotonicMs();
  const failedBefore = writes.totals.failed;
  await keepFull(
    servers,
    room,
    () => writes.totals.failed - failedBefore >= FAILED_WRITES && monotonicMs() - fromMs > FULL_MS,
  );
  const toMs = monotonicMs();
  room.give();
  await servers.primary.stop('immediate');
  await servers.restartPrimary();
  const roomAtMs = monotonicMs();
  await Promise.all([writes, reads].map((load) => load.untilAcceptedMore(300, 30_000)));
  const [writeCalls, readCalls] = [await writes.stop(), await reads.stop()];

  const written = triesSentIn(writeCalls, { fromMs, toMs });
  const read = triesSentIn(readCalls, { fromMs, toMs });
  note(`writes on a full disk: ${JSON.stringify(failuresByReason(written))}`);
  note(
    `reads meanwhile: ${read.filter(succeeded).length} answered, ${JSON.stringify(failuresByReason(read))}`,
  );
  if (disk !== undefined) {
    expect(readFileSync(`${servers.primary.dataDir}.log`, 'utf8')).toContain('No space left on device');
  }
  expect(written.filter(succeeded).length).toBeLessThanOrEqual(written.length - FAILED_WRITES);
  expect(Object.keys(failuresByReason(written)).filter((failure) => !RETRYABLE.test(failure))).toEqual([]);
  const unavailable = written.filter(({ failure }) => failure?.code === 'UNAVAILABLE').length;
  const failedWrites = written.filter(({ failure }) => failure !== undefined).length;
  expect(unavailable / failedWrites).toBeGreaterThan(UNAVAILABLE_SHARE);
  expect(read.length).toBeGreaterThan(FAILED_WRITES);
  expect(
    Object.keys(failuresByReason(read)).filter((failure) => !/^DEADLINE_EXCEEDED/.test(failure)),
  ).toEqual([]);
  expect(read.filter(succeeded).length / read.length).toBeGreaterThan(READS_ANSWERED);
  expect(firstAcceptedAfterMs(writeCalls, roomAtMs)).toBeLessThanOrEqual(5_000);
  expect(await audit(servers.databaseUrl, writeCalls)).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 180_000);
