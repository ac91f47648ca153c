import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { projectRoot } from '../project-root.js';
import { poll } from './poll.js';
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

/** Linux tells of processes in /proc; elsewhere ps is asked, which Linux has, too. */
describe.each<NodeJS.Platform>(['linux', 'darwin'])('where processes are looked up as on %s', (platform) => {
  const actual = Object.getOwnPropertyDescriptor(process, 'platform')!;
  beforeEach(() => {
    if (process.platform === 'linux') Object.defineProperty(process, 'platform', { value: platform });
  });
  afterEach(() => {
    Object.defineProperty(process, 'platform', actual);
  });

  test('an orphan that obeys the signal is ended, and forgotten', async () => {
    const pid = await startChild('');
    registry.record('service', pid, 'node');
    expect(registry.living('service')).toMatchObject({ pid, command: 'node' });
    expect(await registry.endOrphan('service')).toBe(pid);
    expect(isAlive(pid)).toBe(false);
    expect(registry.living('service')).toBeUndefined();
    expect(await registry.endOrphan('service')).toBeUndefined();
  });

  test('what has ended does not live, noticed by its parent or not', async () => {
    const pid = await startChild('');
    const [child] = children;
    child?.kill('SIGKILL');
    await once(child!, 'exit');
    expect(isAlive(pid)).toBe(false);
    await endProcessById(pid, 'SIGTERM', 100);

    // A shell that becomes another program, which does not know of the child that it has.
    const parent = spawn('sh', ['-c', 'sleep 60 & exec sh -c "echo $!; exec sleep 60"']);
    children.push(parent);
    const unnoticed = Number((await once(parent.stdout, 'data'))[0]);
    expect(isAlive(unnoticed)).toBe(true);
    process.kill(unnoticed, 'SIGKILL');
    expect(await poll(() => !isAlive(unnoticed) || undefined, 10_000)).toBe(true);
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

  test('the ancestors of an npm script are npm and the shell between; without npm there are none', async () => {
    const module = pathToFileURL(join(projectRoot(), 'dist/src/dev/process-registry.js')).href;
    const claim = `
      Object.defineProperty(process, 'platform', { value: '${process.platform}' });
      const { ProcessRegistry } = await import('${module}');
      new ProcessRegistry('${folder}').claim('script', 'npm start');`;
    const ancestorsBehind = async (command: string, args: string[], environment: NodeJS.ProcessEnv) => {
      const child = spawn(command, [...args, process.execPath, '--input-type=module', '-e', claim], {
        env: environment,
      });
      await once(child, 'exit');
      const { ancestors } = JSON.parse(readFileSync(join(folder, 'script.json'), 'utf8'));
      return { found: ancestors.map(({ pid }: { pid: number }) => pid), child: child.pid };
    };
    const byNpm = { ...process.env, npm_lifecycle_event: 'start' };
    const shell = ['-c', '"$0" "$@"; exit $?'];
    const behindShell = await ancestorsBehind('sh', shell, byNpm);
    expect(behindShell.found).toEqual([behindShell.child, process.pid]);
    expect((await ancestorsBehind('env', [], byNpm)).found).toEqual([process.pid]);
    const { npm_lifecycle_event: _, ...byHand } = process.env;
    expect((await ancestorsBehind('sh', shell, byHand)).found).toEqual([]);
  });
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
