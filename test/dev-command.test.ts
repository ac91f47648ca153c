import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { REDIS } from '../src/dev/optional-programs.js';
import { poll } from '../src/dev/poll.js';
import { type CliRun, runCliProcess } from './cli-process.js';
import { newPlace, type Place, portsInUse, StartedOnhand } from './started-onhand.js';

jest.setTimeout(120_000);

let place: Place;
let onhand: StartedOnhand;

beforeAll(async () => {
  place = await newPlace();
  onhand = new StartedOnhand(place, ['--no-demo']);
  await onhand.says('Onhand is ready.');
  await onhand.post('/api/v1/inventory/restock', { storeId: 'S', productId: 'P', quantity: 5 });
});

afterAll(async () => {
  await onhand.end('SIGTERM');
  rmSync(place.dataDir, { recursive: true, force: true });
});

const grpcAddress = () => `127.0.0.1:${place.ports.grpc}`;
const dev = (...words: string[]): Promise<CliRun> =>
  runCliProcess(grpcAddress(), ['dev', ...words], { environment: { ONHAND_DATA_DIR: place.dataDir } });

/** Which server answers a default read of the database; a single stock may come from memory. */
const source = async (): Promise<string> => {
  const { out } = await runCliProcess(grpcAddress(), ['list', '--store', 'S', '--json']);
  return JSON.parse(out).source;
};
const becomes = async (wanted: string) => {
  expect(await poll(async () => ((await source()) === wanted ? true : undefined), 30_000)).toBe(true);
};

test('a stopped replica stays down while reads go on from the primary, and streams again when it is started', async () => {
  await becomes('SOURCE_REPLICA');
  const stopped = await dev('stop', 'postgres-replica');
  expect(stopped).toMatchObject({ code: 0, out: expect.stringContaining('The replica is stopped.') });
  await onhand.says('The PostgreSQL replica was stopped by "dev stop" and stays down');
  expect(await source()).toBe('SOURCE_PRIMARY');
  expect(await portsInUse(place)).not.toContain('replica');
  expect((await dev('stop', 'postgres-replica')).out).toContain('The replica was stopped already.');

  const started = await dev('start', 'postgres-replica', '--json');
  expect([started.code, JSON.parse(started.out)]).toEqual([
    0,
    { part: 'postgres-replica', state: 'running' },
  ]);
  expect(await portsInUse(place)).toContain('replica');
  await becomes('SOURCE_REPLICA');
  expect((await dev('start', 'postgres-replica')).out).toBe('The replica runs.\n');
  expect(onhand.text()).not.toContain('ended unexpectedly');
});

describeNeeding(REDIS, 'dev stop redis', () => {
  test('is stopped and started, and the service goes on', async () => {
    expect(await dev('stop', 'redis')).toMatchObject({
      code: 0,
      out: expect.stringContaining('Redis is stopped.'),
    });
    expect(await portsInUse(place)).not.toContain('redis');
    expect(
      (await onhand.post('/api/v1/inventory/sell', { storeId: 'S', productId: 'P', quantity: 1 })).status,
    ).toBe(200);
    expect(await dev('start', 'redis')).toMatchObject({ code: 0, out: 'Redis runs again.\n' });
    expect(await portsInUse(place)).toContain('redis');
  });
});

test('what is stopped stays so only until npm start ends', async () => {
  await dev('stop', 'postgres-replica');
  expect(await onhand.end('SIGTERM')).toBe(0);
  const gone = await dev('start', 'postgres-replica');
  expect([gone.code, gone.err]).toEqual([
    3,
    expect.stringContaining(`npm start does not run on ${place.dataDir}`),
  ]);
  onhand = new StartedOnhand(place, ['--no-demo']);
  await onhand.says('Onhand is ready.');
  await becomes('SOURCE_REPLICA');
  const files = readdirSync(join(place.dataDir, 'run')).filter((file) => !file.endsWith('.json'));
  expect(files).toEqual([]);
});

test('without npm start, or for another part, it says so', async () => {
  const empty = { environment: { ONHAND_DATA_DIR: join(place.dataDir, 'none') } };
  const nobody = await runCliProcess(grpcAddress(), ['dev', 'stop', 'redis'], empty);
  expect([nobody.code, nobody.err]).toEqual([3, expect.stringContaining('npm start does not run on')]);
  mkdirSync(join(place.dataDir, 'none', 'run'), { recursive: true });
  expect((await runCliProcess(grpcAddress(), ['dev', 'stop', 'redis'], empty)).code).toBe(3);
  const unknown = await dev('stop', 'service');
  expect([unknown.code, unknown.err]).toEqual([
    2,
    expect.stringContaining('Allowed choices are redis, postgres-replica.'),
  ]);
});
