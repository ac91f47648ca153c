import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Apt, DEBIAN_APT, installWithApt } from './apt.js';
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

const usualFolders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin'];

/** The path of a program on this machine, or undefined where there is none. */
export function findProgram({ names, folders: own = [] }: OptionalProgram): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...usualFolders, ...own.flatMap(versions)];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** As root on Debian or Ubuntu a missing program is installed from the distribution; elsewhere that is left to the user. */
export function findOrInstall(program: OptionalProgram, apt: Apt = DEBIAN_APT): string | undefined {
  const present = findProgram(program);
  if (present !== undefined || process.getuid?.() !== 0 || !isExecutable(apt.program)) return present;
  const { debianPackage } = program;
  say(`Installing ${debianPackage} with apt-get, because there is none here and we are root.`);
  const problem = installWithApt(debianPackage, apt);
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
