import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { projectRoot } from '../src/project-root.js';
import { type ServiceProcess, startService } from './service-process.js';

let database: TestDatabase;
let service: ServiceProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

async function demo(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const program = join(projectRoot(), 'dist', 'bench', 'demo.js');
  const child = spawn(process.execPath, [program, 'stores', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, out, err };
}

test('stores over lines that are cut come to agree with the service; piped, it is plain lines', async () => {
  const { code, out } = await demo('--server', service.grpcAddress, '--stores', '3', '--seconds', '6');
  expect(out).toContain('Every store and the service agree on every stock.');
  expect(out).toMatch(/^270 operations in 3 stores, \d+ online; lines were cut [1-9]\d* times\.$/m);
  expect(out).not.toContain('\u001b');
  expect(code).toBe(0);
});

test('a service that is not there is told, with 1; wrong usage with 2', async () => {
  const { code, err } = await demo('--server', '127.0.0.1:1');
  expect(err).toContain('No service answers at 127.0.0.1:1: start it with npm start');
  expect(code).toBe(1);
  expect((await demo('--stores', '0')).code).toBe(2);
});
