import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { poll } from './poll.js';
import { startReplica } from './postgres-replica.js';
import { startPrimary } from './postgres-server.js';
import { withConnection } from './postgres-session.js';
import type { PostgresServer } from './postmaster.js';
import { startThrowawayServers, type ThrowawayServers } from './throwaway-servers.js';

let servers: ThrowawayServers;
let primary: PostgresServer;
let replica: PostgresServer;

beforeAll(async () => {
  servers = await startThrowawayServers();
  ({ primary, replica } = servers);
});

afterAll(async () => {
  await replica.stop();
  await primary.stop();
  await servers.stop();
  expect(existsSync(servers.folder)).toBe(false);
});

const copyOptions = () => ({ primary, dataDir: replica.dataDir, port: replica.port, slotName: 'replica_1' });

async function write(table: string): Promise<void> {
  await withConnection(primary.url(), (client) => client.query(`CREATE TABLE ${table} (id integer)`));
}

async function arrives(table: string): Promise<boolean> {
  const found = await poll(async () => {
    const { rows } = await withConnection(replica.url(), (client) =>
      client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [table]),
    );
    return rows[0]?.there === true ? true : undefined;
  }, 15_000);
  return found === true;
}

test('the replica follows, through crashes of both', async () => {
  await write('before_any_crash');
  expect(await arrives('before_any_crash')).toBe(true);
  await primary.kill9();
  primary = await startPrimary({ dataDir: primary.dataDir, port: primary.port });
  await write('after_the_primary_crashed');
  expect(await arrives('after_the_primary_crashed')).toBe(true);
  await replica.kill9();
  await write('while_the_replica_was_down');
  const inode = identityOfCopy();
  replica = await startReplica(copyOptions());
  expect(await arrives('while_the_replica_was_down')).toBe(true);
  expect(identityOfCopy()).toBe(inode);
});

test('a replica whose slot is gone is copied anew', async () => {
  await replica.stop();
  await withConnection(primary.url(), (client) =>
    client.query(`SELECT pg_drop_replication_slot('replica_1')`),
  );
  markCopy();
  replica = await startReplica(copyOptions());
  expect(existsSync(join(replica.dataDir, 'marker'))).toBe(false);
  await write('after_the_slot_was_lost');
  expect(await arrives('after_the_slot_was_lost')).toBe(true);
});

test('a copy that was not finished is made anew', async () => {
  await replica.stop();
  writeFileSync(join(replica.dataDir, 'global', 'pg_control'), 'half a file');
  replica = await startReplica(copyOptions());
  await write('after_the_half_copy');
  expect(await arrives('after_the_half_copy')).toBe(true);
});

test('a server that cannot start says why and where to read more', async () => {
  const start = startPrimary({ dataDir: join(servers.folder, 'other'), port: primary.port });
  await expect(start).rejects.toThrow(/did not start on .*other[\s\S]*could not bind[\s\S]*See .*other\.log/);
});

test('a changed password file is named', async () => {
  await replica.stop();
  await primary.stop();
  const file = `${primary.dataDir}.password`;
  const password = readFileSync(file, 'utf8');
  writeFileSync(file, 'wrong');
  await expect(startPrimary({ dataDir: primary.dataDir, port: 0 })).rejects.toThrow(/password file/);
  writeFileSync(file, password);
  primary = await startPrimary({ dataDir: primary.dataDir, port: primary.port });
});

/** Changes when the folder is copied anew. */
function identityOfCopy(): string {
  return readFileSync(join(replica.dataDir, 'backup_label.old'), 'utf8');
}

function markCopy(): void {
  writeFileSync(join(replica.dataDir, 'marker'), '');
}
