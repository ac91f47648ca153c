import { execFile } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { projectRoot } from '../src/project-root.js';
import { type ServiceProcess, startService } from './service-process.js';

jest.setTimeout(120_000);

const folder = join(projectRoot(), 'clients', 'rest');
const made = join(folder, 'dist');

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

async function node(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: projectRoot() });
  return stdout;
}

test('a client made of the OpenAPI document compiles, refuses what the document does, and works', async () => {
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made);
  const generator = join(folder, 'node_modules', 'openapi-typescript', 'bin', 'cli.js');
  await node(generator, 'docs/openapi.json', '--output', join(made, 'onhand.d.ts'));
  await node('node_modules/typescript/bin/tsc', '--project', folder);
  const output = await node(join(made, 'example.js'), service.httpUrl, `P-${Math.random()}`);
  expect(JSON.parse(output)).toEqual({
    eventId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    reason: 'INSUFFICIENT_STOCK',
    available: '2',
    left: 1,
    listed: 1,
    effects: ['REFUSED', 'APPLIED'],
  });
});
