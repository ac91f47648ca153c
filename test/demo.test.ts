import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { withConnection } from '../src/dev/postgres-session.js';
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

const query = (sql: string) => withConnection(database.url, (client) => client.query(sql));

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
  expect(out).toMatch(
    /^270 operations in 3 stores, [1-9]\d* online \(\d+ more refused, 0 unanswered\); lines were cut [1-9]\d* times\.$/m,
  );
  expect(out).not.toContain('\u001b');
  expect(code).toBe(0);
});

test('a service that is not there is told, with 1; wrong usage with 2', async () => {
  const { code, err } = await demo('--server', '127.0.0.1:1');
  expect(err).toContain('No service answers at 127.0.0.1:1: start it with npm start');
  expect(code).toBe(1);
  expect((await demo('--stores', '0')).code).toBe(2);
});

describe('where stores and service do not agree', () => {
  const LOST = `
    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.net := NEW.net + 1; RETURN NEW; END $$;
    CREATE TRIGGER spoil BEFORE UPDATE ON stock FOR EACH ROW WHEN (NEW.store_id = 'DEMO_01') EXECUTE FUNCTION spoil()`;
  const STUCK = `
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE OF sequence ON sync_cursor FOR EACH ROW EXECUTE FUNCTION refuse()`;
  const FAILING = `
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON event_log FOR EACH ROW WHEN (NEW.origin = 'GRPC') EXECUTE FUNCTION fail()`;

  afterEach(() =>
    query(`
      DROP FUNCTION IF EXISTS spoil CASCADE;
      DROP FUNCTION IF EXISTS refuse CASCADE;
      DROP FUNCTION IF EXISTS fail CASCADE`),
  );

  test.each([
    ['a stock is another one: once patience is over', LOST, ['--patience', '3'], 'stores and service differ'],
    ["a store's sync has ended: at once", STUCK, [], "A store's sync has ended: INTERNAL."],
  ])('%s it says so, and ends with 1', async (_, sql, args, text) => {
    await query(sql);
    const { code, out } = await demo(
      '--server',
      service.grpcAddress,
      '--stores',
      '2',
      '--seconds',
      '2',
      ...args,
    );
    expect(out).toContain('NOT CONVERGED');
    expect(out).toContain(text);
    expect(code).toBe(1);
  });

  test('what fails online, other than by a rule or because the service is away, is no demonstration', async () => {
    await query(FAILING);
    const { code, err } = await demo('--server', service.grpcAddress, '--stores', '2', '--seconds', '2');
    expect(err).toContain('An online command failed with INTERNAL');
    expect(code).toBe(1);
  });
});
