import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { copyFile, mkdir, readdir, lchown as setOwner } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { poll } from './poll.js';
import { findPostgresBinaries } from './postgres-binaries.js';
import { withConnection } from './postgres-session.js';
import { type PostgresServer, type PostmasterOptions, startPostmaster } from './postmaster.js';
import { makePrivateFolder } from './server-account.js';
import type { Account } from './server-process.js';
import { messageOf, say } from './terminal.js';

const streamingTimeoutMs = 20_000;

export interface ReplicaOptions extends Omit<PostmasterOptions, 'password'> {
  readonly primary: PostgresServer;
  /** The replica's name on the primary: its slot and its application_name. Lower-case letters, digits, underscores. */
  readonly slotName: string;
}

/**
 * Starts a streaming replica. Its folder is used again where it still can follow this primary; else (first start, slot
 * lost, WAL gone, another primary) it is copied anew from the primary. Returns when the replica streams.
 */
export async function startReplica(options: ReplicaOptions): Promise<PostgresServer> {
  if (await canFollow(options)) {
    try {
      return await startAndFollow(options);
    } catch (error) {
      say(`The replica cannot go on from where it stopped and is copied anew. ${messageOf(error)}`);
    }
  }
  await copyPrimary(options);
  return await startAndFollow(options);
}

/** Whether the folder is a copy of this very primary whose slot still holds the WAL that it needs. */
async function canFollow({ primary, dataDir, slotName }: ReplicaOptions): Promise<boolean> {
  if (!existsSync(join(dataDir, 'standby.signal'))) return false;
  const { rows } = await withConnection(primary.url('postgres'), (client) =>
    client.query<{ system: string; usable: boolean | null }>(
      `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,
              (SELECT wal_status <> 'lost' FROM pg_replication_slots WHERE slot_name = $1) AS usable`,
      [slotName],
    ),
  );
  return rows[0]?.usable === true && rows[0].system === systemIdentifier(dataDir);
}

/** pg_control begins with the number that initdb gave to the cluster; copies keep it. */
function systemIdentifier(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, 'global', 'pg_control'))
      .readBigUInt64LE(0)
      .toString();
  } catch {
    return undefined;
  }
}

async function startAndFollow(options: ReplicaOptions): Promise<PostgresServer> {
  const { primary, dataDir, slotName } = options;
  writeConnectionSettings(options);
  const replica = await startPostmaster({ ...options, password: primary.password });
  const streams = await poll(async () => {
    const { rowCount } = await withConnection(primary.url('postgres'), (client) =>
      client.query(`SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'`, [
        slotName,
      ]),
    );
    return rowCount === 0 ? undefined : true;
  }, streamingTimeoutMs);
  if (streams === true) return replica;
  await replica.stop();
  throw new Error(
    `The replica in ${dataDir} does not stream from port ${primary.port}: see ${options.logFile ?? `${dataDir}.log`}.`,
  );
}

/** The last line of a name wins, so what the copy brought along does no harm. */
function writeConnectionSettings({ primary, dataDir, slotName }: ReplicaOptions): void {
  const login = `host=${primary.host} port=${primary.port} user=onhand password=${primary.password}`;
  const file = join(dataDir, 'postgresql.auto.conf');
  const others = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !/^primary_(conninfo|slot_name)\b/.test(line));
  const own = [
    `primary_conninfo = '${login} application_name=${slotName}'`,
    `primary_slot_name = '${slotName}'`,
  ];
  writeFileSync(file, `${[...others, ...own].join('\n')}\n`);
}

/**
 * A base backup without pg_basebackup, which the npm package does not bring. pg_backup_start and pg_backup_stop must run
 * in one session; the slot keeps the WAL that is written in between.
 */
async function copyPrimary({ primary, dataDir, slotName }: ReplicaOptions): Promise<void> {
  const { account } = findPostgresBinaries();
  rmSync(dataDir, { recursive: true, force: true });
  makePrivateFolder(account, dataDir);
  await withConnection(primary.url('postgres'), async (client) => {
    await renewSlot(client, slotName);
    await client.query(`SELECT pg_backup_start($1, fast => true)`, [slotName]);
    await copyCluster(primary.dataDir, dataDir, account);
    const { rows } = await client.query<{ labelfile: string }>(
      'SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)',
    );
    writeFileSync(join(dataDir, 'backup_label'), rows[0]?.labelfile ?? '', { mode: 0o600 });
  });
  // Written last: a copy that was interrupted lacks it and is made anew.
  appendFileSync(join(dataDir, 'standby.signal'), '', { mode: 0o600 });
  if (account !== undefined) {
    for (const name of ['backup_label', 'standby.signal'])
      chownSync(join(dataDir, name), account.uid, account.gid);
  }
  chmodSync(dataDir, 0o700);
}

/** Drops the slot, with the connection that may still hold it, and makes it anew. */
async function renewSlot(client: pg.Client, slotName: string): Promise<void> {
  const gone = await poll(async () => {
    const { rows } = await client.query<{ active_pid: number | null }>(
      'SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1',
      [slotName],
    );
    if (rows[0] === undefined) return true;
    if (rows[0].active_pid !== null)
      await client.query('SELECT pg_terminate_backend($1)', [rows[0].active_pid]);
    else await client.query('SELECT pg_drop_replication_slot($1)', [slotName]);
    return undefined;
  }, streamingTimeoutMs);
  if (gone === undefined) throw new Error(`The replication slot ${slotName} is in use by another replica.`);
  await client.query('SELECT pg_create_physical_replication_slot($1, true)', [slotName]);
}

/** Belongs to the running primary alone; PostgreSQL makes it anew on the replica. */
const notCopied = /^(postmaster\.(pid|opts)|standby\.signal|pg_internal\.init.*|pgsql_tmp.*)$/;
const copiedEmpty = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);

async function copyCluster(from: string, to: string, account: Account | undefined): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (notCopied.test(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await mkdir(target, { mode: 0o700 });
      if (!copiedEmpty.has(entry.name)) await copyCluster(source, target, account);
    } else if (!(await copyUnlessGone(source, target))) {
      continue;
    }
    if (account !== undefined) await setOwner(target, account.uid, account.gid);
  }
}

/** The primary goes on working: files may vanish while we copy, and the WAL brings the replica to the same state. */
async function copyUnlessGone(source: string, target: string): Promise<boolean> {
  try {
    await copyFile(source, target);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
