import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPostgresBinaries } from './postgres-binaries.js';
import { withConnection } from './postgres-session.js';
import { type PostgresServer, type PostmasterOptions, startPostmaster } from './postmaster.js';
import { canEnter, makePrivateFolder } from './server-account.js';
import { plainEnvironment } from './server-process.js';
import { messageOf } from './terminal.js';

export interface PrimaryOptions extends Omit<PostmasterOptions, 'password'> {
  /** Made where it is missing; default `onhand`. */
  readonly database?: string;
}

/**
 * Starts a PostgreSQL primary on `dataDir`, which is made (with a random superuser password in `<dataDir>.password`)
 * where it does not exist. After a crash it recovers.
 */
export async function startPrimary(options: PrimaryOptions): Promise<PostgresServer> {
  if (!existsSync(join(options.dataDir, 'PG_VERSION'))) createCluster(options);
  const password = readPassword(options.dataDir);
  const server = await startPostmaster({ ...options, password });
  try {
    await createDatabase(server, options.database ?? 'onhand');
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

const passwordFile = (dataDir: string) => `${dataDir}.password`;

function readPassword(dataDir: string): string {
  try {
    return readFileSync(passwordFile(dataDir), 'utf8').trim();
  } catch (error) {
    throw new Error(
      `The database's password cannot be read: ${messageOf(error)}. Start over with an empty database: npm start -- --fresh`,
    );
  }
}

/** initdb into a folder of another name, so that an interrupted one is never taken for a cluster. */
function createCluster({ dataDir, programs }: PrimaryOptions): void {
  const { initdb, account } = { ...findPostgresBinaries(), ...programs };
  const unfinished = `${dataDir}.unfinished`;
  const password = randomBytes(24).toString('hex');
  for (const leftOver of [unfinished, dataDir]) rmSync(leftOver, { recursive: true, force: true });
  makePrivateFolder(account, unfinished);
  if (!canEnter(account, unfinished)) {
    throw new Error(
      `The user ${account?.name} cannot reach ${dataDir}: the folders above it must be open to it.`,
    );
  }
  writePassword(dataDir, password);
  if (account !== undefined) chownSync(passwordFile(dataDir), account.uid, account.gid);
  const authentication = ['--auth=scram-sha-256', '--username=onhand', `--pwfile=${passwordFile(dataDir)}`];
  const result = spawnSync(initdb, ['-D', unfinished, '--encoding=UTF8', '--locale=C', ...authentication], {
    cwd: '/',
    encoding: 'utf8',
    env: plainEnvironment(),
    ...(account && { uid: account.uid, gid: account.gid }),
  });
  if (result.status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Error(`initdb failed for ${dataDir}: ${result.error?.message ?? result.stderr}`);
  }
  renameSync(unfinished, dataDir);
}

function writePassword(dataDir: string, password: string): void {
  rmSync(passwordFile(dataDir), { force: true });
  writeFileSync(passwordFile(dataDir), `${password}\n`, { mode: 0o600 });
}

async function createDatabase(server: PostgresServer, name: string): Promise<void> {
  await withConnection(server.url('postgres'), async (client) => {
    const existing = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (existing.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  });
}
