import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { folderInsteadOf, reachableFolder } from './server-account.js';

test('a folder that everybody can reach is taken as it is', () => {
  const parent = mkdtempSync(join(tmpdir(), 'onhand-account-'));
  const folder = join(parent, 'data', 'postgres');
  expect(reachableFolder(undefined, folder)).toBe(folder);
  expect(statSync(folder).mode & 0o755).toBe(0o755);
  rmSync(parent, { recursive: true });
});

test('each place out of reach has a folder of its own instead: two data folders never share a database', () => {
  const [one, two] = [folderInsteadOf('/srv/onhand/.onhand'), folderInsteadOf('/srv/other')];
  expect(one).not.toBe(two);
  expect(dirname(one)).toBe(dirname(two));
  expect(folderInsteadOf('/srv/other')).toBe(two);
  expect(existsSync(two)).toBe(false);
});
