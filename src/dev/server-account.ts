import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Account } from './server-process.js';
import { say } from './terminal.js';

/**
 * The account that PostgreSQL runs as: undefined (the current user), or the system user `postgres` when we are root,
 * because PostgreSQL refuses to run as root. The user is created where it is missing.
 */
export function serverAccount(name = 'postgres'): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return findAccount(name) ?? createAccount(name);
}

function findAccount(name: string): Account | undefined {
  const [user, group] = ['-u', '-g'].map((option) => spawnSync('id', [option, name], { encoding: 'utf8' }));
  if (user?.status !== 0 || group?.status !== 0) return undefined;
  return { name, uid: Number(user.stdout), gid: Number(group.stdout) };
}

function createAccount(name: string): Account {
  say(`Creating the system user ${name}: PostgreSQL refuses to run as root.`);
  spawnSync('groupadd', ['--system', name]);
  const options = ['--system', '--gid', name, '--no-create-home', '--shell', '/usr/sbin/nologin'];
  spawnSync('useradd', [...options, '--home-dir', '/var/lib/postgresql', name]);
  const account = findAccount(name);
  if (account === undefined) {
    throw new Error(
      `PostgreSQL refuses to run as root, and the system user ${name} could not be created. ` +
        `Create it (useradd --system ${name}), or run the same command as an ordinary user.`,
    );
  }
  return account;
}

/** Whether the account can enter this folder. */
export function canEnter(account: Account | undefined, folder: string): boolean {
  if (account === undefined) return true;
  const options = { uid: account.uid, gid: account.gid, cwd: '/' };
  return spawnSync('/bin/sh', ['-c', 'test -x "$1"', 'sh', folder], options).status === 0;
}

/** Makes a folder that the account owns and that nobody else can look into. */
export function makePrivateFolder(account: Account | undefined, folder: string): void {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
}

/** Makes a folder that every account may pass through, whatever the umask is. */
export function makePassableFolder(folder: string): void {
  if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o755);
}

/**
 * Where the account's files go when it cannot reach the place that is meant for them (root's home is closed to it): a
 * folder of its own for each place, so that two projects, or two data folders of one, do not share it.
 */
export function folderInsteadOf(place: string): string {
  const hash = createHash('sha256').update(place).digest('hex').slice(0, 12);
  return join('/var/lib/onhand', hash);
}

/** The preferred folder, or where the account cannot reach it one of the same name elsewhere; it exists afterwards. */
export function reachableFolder(account: Account | undefined, preferred: string): string {
  makePassableFolder(preferred);
  if (canEnter(account, preferred)) return preferred;
  const fallback = join(folderInsteadOf(dirname(preferred)), basename(preferred));
  makePassableFolder(dirname(dirname(fallback)));
  makePassableFolder(dirname(fallback));
  makePassableFolder(fallback);
  return fallback;
}
