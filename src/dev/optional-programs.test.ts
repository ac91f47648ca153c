import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { absenceOf, findOrInstall, findProgram, REDIS } from './optional-programs.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-programs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const program = (...names: string[]) => ({ ...REDIS, names, folders: [`${folder}/*/bin`, folder] });

function put(path: string, mode: number): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, '#!/bin/sh\n', { mode });
  return file;
}

test('a program is sought in the folders of every version, by its names in their order', () => {
  expect(findProgram(program('no-such-program'))).toBeUndefined();
  const other = put('second-name', 0o755);
  expect(findProgram(program('first-name', 'second-name'))).toBe(other);
  const preferred = put('15/bin/first-name', 0o755);
  expect(findProgram(program('first-name', 'second-name'))).toBe(preferred);
  expect(findOrInstall(program('first-name'))).toBe(preferred);
});

test('a file that cannot be run is no program', () => {
  put('no-program', 0o644);
  expect(findProgram(program('no-program'))).toBeUndefined();
  expect(absenceOf(program('no-program', 'nor-this'))).toBe('there is no no-program or nor-this on PATH');
  expect(findProgram({ ...REDIS, names: ['no-program'], folders: [`${folder}/nowhere/*`] })).toBeUndefined();
});
