import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { say } from './terminal.js';

/** A program that no npm package carries, so that not every machine has it. */
export interface OptionalProgram {
  /** What the tests that need it are called: "Redis tests". */
  readonly title: string;
  /** Its names on PATH, the preferred one first. */
  readonly names: readonly string[];
  /** Where else it may be; a `*` stands for any version. */
  readonly folders?: readonly string[];
  readonly debianPackage: string;
  /** The variable that tells a test how to reach it. */
  readonly givenIn: string;
  /** The variable that is 1 where a test run without the program shall fail. */
  readonly requiredBy: string;
}

export const REDIS: OptionalProgram = {
  title: 'Redis',
  names: ['redis-server', 'valkey-server'],
  debianPackage: 'redis-server',
  givenIn: 'ONHAND_TEST_REDIS_URL',
  requiredBy: 'ONHAND_TEST_REQUIRE_REDIS',
};

export const CHROMIUM: OptionalProgram = {
  title: 'browser',
  names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
  debianPackage: 'chromium',
  givenIn: 'ONHAND_TEST_CHROMIUM',
  requiredBy: 'ONHAND_TEST_REQUIRE_BROWSER',
};

export const CURL: OptionalProgram = {
  title: 'curl',
  names: ['curl'],
  debianPackage: 'curl',
  givenIn: 'ONHAND_TEST_CURL',
  requiredBy: 'ONHAND_TEST_REQUIRE_CURL',
};

/** What a distribution packages, beside the newer one of the npm packages. */
export const DISTRIBUTION_POSTGRES: OptionalProgram = {
  title: "distribution's PostgreSQL",
  names: ['initdb'],
  folders: ['/usr/lib/postgresql/*/bin'],
  debianPackage: 'postgresql',
  givenIn: 'ONHAND_TEST_POSTGRES',
  requiredBy: 'ONHAND_TEST_REQUIRE_POSTGRES',
};

export const PGBOUNCER: OptionalProgram = {
  title: 'PgBouncer',
  names: ['pgbouncer'],
  debianPackage: 'pgbouncer',
  givenIn: 'ONHAND_TEST_PGBOUNCER',
  requiredBy: 'ONHAND_TEST_REQUIRE_PGBOUNCER',
};

const aptTimeoutMs = 600_000;
const usualFolders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin'];

/** The path of a program on this machine, or undefined where there is none. */
export function findProgram({ names, folders: own = [] }: OptionalProgram): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...usualFolders, ...own.flatMap(versions)];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** As root on Debian or Ubuntu a missing program is installed from the distribution; elsewhere that is left to the user. */
export function findOrInstall(program: OptionalProgram): string | undefined {
  const present = findProgram(program);
  if (present !== undefined || process.getuid?.() !== 0 || !isExecutable('/usr/bin/apt-get')) return present;
  const { debianPackage } = program;
  say(`Installing ${debianPackage} with apt-get, because there is none here and we are root.`);
  const problem = installWithApt(debianPackage);
  if (problem !== undefined) say(`${debianPackage} could not be installed: ${problem}`);
  return findProgram(program);
}

/** Why the tests that need this program cannot run. */
export const absenceOf = ({ names }: OptionalProgram): string => `there is no ${names.join(' or ')} on PATH`;

/** The folders that a path with a `*` in it stands for. */
function versions(path: string): string[] {
  const [parent = '', rest] = path.split('*');
  if (rest === undefined) return [path];
  return existsSync(parent) ? readdirSync(parent).map((version) => `${parent}${version}${rest}`) : [];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Debian starts a service that it installs unless this program says 101: we want the program, not the service. */
const servicePolicy = '/usr/sbin/policy-rc.d';

function installWithApt(debianPackage: string): string | undefined {
  const ownPolicy = !existsSync(servicePolicy);
  if (ownPolicy) {
    writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n');
    chmodSync(servicePolicy, 0o755);
  }
  try {
    const problem = aptGet('update') ?? aptGet('install', '-y', '--no-install-recommends', debianPackage);
    // Nor shall a service start by itself at the next boot. Fails where there is none, which is as good.
    if (problem === undefined) spawnSync('systemctl', ['disable', debianPackage], { stdio: 'ignore' });
    return problem;
  } finally {
    if (ownPolicy) rmSync(servicePolicy, { force: true });
  }
}

function aptGet(...args: string[]): string | undefined {
  const waits = [
    ...['-o', 'Acquire::http::Timeout=15'],
    ...['-o', 'Acquire::Retries=1'],
    ...['-o', 'DPkg::Lock::Timeout=300'],
  ];
  const result = spawnSync('/usr/bin/apt-get', ['-qq', ...waits, ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: aptTimeoutMs,
  });
  if (result.status === 0) return undefined;
  return (
    result.error?.message ??
    (result.stderr.trim().split('\n').at(-1) || `apt-get ended with ${result.status}`)
  );
}
