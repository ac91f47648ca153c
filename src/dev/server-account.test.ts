import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { canEnter, folderInsteadOf, reachableFolder, serverAccount } from './server-account.js';

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

test('a folder that the account cannot reach is replaced by one of the same name, which it can', () => {
  const account = serverAccount();
  const parent = mkdtempSync(join(tmpdir(), 'onhand-account-'));
  chmodSync(parent, 0o700);
  const place = join(parent, 'data');
  try {
    const folder = reachableFolder(account, join(place, 'postgres'));
    expect(folder).toBe(join(account === undefined ? place : folderInsteadOf(place), 'postgres'));
    expect(canEnter(account, folder)).toBe(true);
  } finally {
    rmSync(parent, { recursive: true });
    rmSync(folderInsteadOf(place), { recursive: true, force: true });
  }
});

test('where root cannot make the system user it is told what to do', () => {
  const name = 'no:user';
  if (process.getuid?.() !== 0) expect(serverAccount(name)).toBeUndefined();
  else expect(() => serverAccount(name)).toThrow(`the system user ${name} could not be created. Create it`);
});
