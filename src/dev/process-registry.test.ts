import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { endProcessById, isAlive, isOrphaned, ProcessRegistry } from './process-registry.js';

let folder: string;
let registry: ProcessRegistry;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-registry-'));
  registry = new ProcessRegistry(folder);
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A process that says when it is ready, so that its signal handlers are in place. */
async function startChild(code: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', `${code}; setInterval(() => {}, 1e6); console.log('ready')`]);
  children.push(child);
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

test('an orphan that obeys the signal is ended, and forgotten', async () => {
  const pid = await startChild('');
  registry.record('service', pid, 'node');
  expect(registry.living('service')).toMatchObject({ pid, command: 'node' });
  expect(await registry.endOrphan('service')).toBe(pid);
  expect(isAlive(pid)).toBe(false);
  expect(registry.living('service')).toBeUndefined();
  expect(await registry.endOrphan('service')).toBeUndefined();
});

test('an orphan that ignores the signal is killed', async () => {
  const pid = await startChild(`process.on('SIGTERM', () => {})`);
  registry.record('service', pid, 'node');
  expect(await registry.endOrphan('service', 'SIGTERM', 100)).toBe(pid);
  expect(isAlive(pid)).toBe(false);
});

test('another process that got the same number is left alone', async () => {
  const pid = await startChild('');
  registry.record('service', pid, 'node');
  const file = join(folder, 'service.json');
  const entry = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...entry, startTime: 'earlier' }));
  expect(await registry.endOrphan('service')).toBeUndefined();
  expect(isAlive(pid)).toBe(true);
});

test('a name is held by one living process', async () => {
  expect(registry.claim('start', 'npm start')).toBeUndefined();
  const holder = registry.claim('start', 'npm start');
  expect(holder).toMatchObject({ pid: process.pid });
  if (holder !== undefined) expect(isOrphaned(holder)).toBe(false);
});

test('a name whose holder is gone, or whose file is damaged, can be claimed', () => {
  registry.claim('start', 'npm start');
  const file = join(folder, 'start.json');
  const entry = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...entry, startTime: 'earlier' }));
  expect(registry.claim('start', 'npm start')).toBeUndefined();
  writeFileSync(file, '{');
  expect(registry.claim('start', 'npm start')).toBeUndefined();
});

test('a process is orphaned when one of its ancestors is gone', async () => {
  const pid = await startChild('');
  registry.record('parent', pid, 'npm');
  const parent = registry.living('parent');
  if (parent === undefined) throw new Error('the parent was not recorded');
  const entry = { pid: process.pid, startTime: '', command: '', ancestors: [parent] };
  expect(isOrphaned(entry)).toBe(false);
  await endProcessById(pid, 'SIGTERM', 5_000);
  expect(isOrphaned(entry)).toBe(true);
});
