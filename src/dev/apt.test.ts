import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Apt, installWithApt } from './apt.js';
import { findOrInstall, REDIS } from './optional-programs.js';

/** A script takes the place of apt-get: what it writes into `log` is how it was called. */

let folder: string;
let apt: Apt;
const PACKAGE = 'onhand-no-such-package';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-apt-'));
  apt = { program: join(folder, 'apt-get'), servicePolicy: join(folder, 'policy-rc.d') };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function aptDoes(commands: string): void {
  const script = `#!/bin/sh
    log() { echo "$1" >> ${folder}/log; }
    for word in "$@"; do case "$word" in update | install | ${PACKAGE}) log "$word" ;; esac; done
    ${commands}`;
  writeFileSync(apt.program, script, { mode: 0o755 });
}
const calls = () => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');

test('a package is installed, without its service being started', () => {
  aptDoes('"$(dirname "$0")/policy-rc.d"; log "services: $?"; log "$DEBIAN_FRONTEND"');
  expect(installWithApt(PACKAGE, apt)).toBeUndefined();
  const each = ['services: 101', 'noninteractive'];
  expect(calls()).toEqual(['update', ...each, 'install', PACKAGE, ...each]);
  expect(existsSync(apt.servicePolicy)).toBe(false);
});

test("the administrator's own policy for services stays", () => {
  aptDoes('');
  writeFileSync(apt.servicePolicy, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  expect(installWithApt(PACKAGE, apt)).toBeUndefined();
  expect(readFileSync(apt.servicePolicy, 'utf8')).toContain('exit 0');
});

test.each([
  ['echo "W: slow" >&2; echo "E: no network" >&2; exit 100', 'E: no network'],
  ['exit 100', 'apt-get ended with 100'],
])('where apt-get fails nothing more is tried, and why is told (%s)', (commands, problem) => {
  aptDoes(commands);
  expect(installWithApt(PACKAGE, apt)).toBe(problem);
  expect(calls()).toEqual(['update']);
  expect(existsSync(apt.servicePolicy)).toBe(false);
});

test('an apt-get that cannot be run is told', () => {
  expect(installWithApt(PACKAGE, apt)).toContain('ENOENT');
});

test('root gets a missing program installed, others do not, and it is no error where that fails', () => {
  const path = join(folder, 'missing-program');
  const program = { ...REDIS, names: ['missing-program'], folders: [folder], debianPackage: PACKAGE };
  expect(findOrInstall(program, apt)).toBeUndefined();
  aptDoes('exit 100');
  expect(findOrInstall(program, apt)).toBeUndefined();
  aptDoes(`printf '#!/bin/sh' > ${path}; chmod 755 ${path}`);
  expect(findOrInstall(program, apt)).toBe(process.getuid?.() === 0 ? path : undefined);
});
