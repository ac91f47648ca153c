import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { CURL, REDIS } from '../src/dev/optional-programs.js';
import { poll } from '../src/dev/poll.js';
import { projectRoot } from '../src/project-root.js';
import { newPlace, type Place, portsInUse, StartedOnhand } from './started-onhand.js';

jest.setTimeout(180_000);

/** The page's commands, by the number of their scenario. */
const scenarios = readFileSync(join(projectRoot(), 'docs/critical-scenarios.md'), 'utf8')
  .split(/^## \d\. /m)
  .slice(1)
  .map((section) => [...section.matchAll(/```bash\n([\s\S]*?)```/g)].map(([, block = '']) => block));
const [race = [], cache = [], failover = []] = scenarios;

let place: Place;
let onhand: StartedOnhand;

beforeAll(async () => {
  place = await newPlace();
  onhand = new StartedOnhand(place, ['--no-demo']);
  await onhand.says('Onhand is ready.');
  for (const productId of ['PROD_0001', 'PROD_0002', 'PROD_0003'])
    await onhand.post('/api/v1/inventory/restock', { storeId: 'STORE_001', productId, quantity: 100 });
});

afterAll(async () => {
  await onhand?.end('SIGTERM');
  if (place !== undefined) rmSync(place.dataDir, { recursive: true, force: true });
});

/** Runs a block as it stands, but for the port. @returns what it wrote; rejects where it fails */
async function run(block: string | undefined): Promise<string> {
  const here = (block ?? 'false').replaceAll('localhost:8080', `localhost:${place.ports.http}`);
  const environment = { ONHAND_DATA_DIR: place.dataDir, ONHAND_GRPC_PORT: String(place.ports.grpc) };
  const { stdout } = await promisify(execFile)('bash', ['-c', here], {
    cwd: projectRoot(),
    env: { ...process.env, ...environment },
  });
  return stdout;
}

interface Envelope {
  readonly success: boolean;
  readonly message: string;
  readonly data?: { readonly quantity: number };
}

/** The answers in the order in which they came; commands that run at once may mix up where their lines end. */
const answers = (output: string): Envelope[] =>
  output
    .replaceAll('\n', '')
    .split(/(?<=\})(?=\{"success")/)
    .map((answer) => JSON.parse(answer) as Envelope);

test('the page has three scenarios', () => {
  expect(scenarios.map((blocks) => blocks.length)).toEqual([2, 3, 4]);
});

describeNeeding(CURL, 'the scenario of', () => {
  test('race condition prevention: 100 sales at once take what there is, 100 more take nothing', async () => {
    const sold = answers(await run(race[0]));
    expect(sold.filter(({ success }) => success)).toHaveLength(100);
    const left = sold.map(({ data }) => data?.quantity).sort((a = 0, b = 0) => a - b);
    expect(left).toEqual(Array.from({ length: 100 }, (_, index) => index));
    const refused = answers(await run(race[0]));
    const message = 'Insufficient stock. Available: 0, Requested: 1';
    expect(refused.map(({ success, message }) => ({ success, message }))).toEqual(
      Array.from({ length: 100 }, () => ({ success: false, message })),
    );
    expect(answers(await run(race[1]))).toMatchObject([{ success: true, data: { quantity: 0 } }]);
  });
});

describeNeeding(REDIS, 'the scenario of', () => {
  describeNeeding(CURL, '', () => {
    test('cache fallback: reads and writes go on without Redis', async () => {
      await run(cache[0]);
      expect(await portsInUse(place)).not.toContain('redis');
      expect(answers(await run(cache[1]))).toMatchObject([
        { success: true, data: { quantity: 100 } },
        { success: true, data: { quantity: 99 } },
      ]);
      await run(cache[2]);
      expect(await portsInUse(place)).toContain('redis');
    });
  });
});

test('database failover: reads move to the primary and back to the replica, writes go on', async () => {
  const fromReplica = async () =>
    (await run(failover[3])).includes('Read from the replica') ? true : undefined;
  expect(await poll(fromReplica, 60_000)).toBe(true);
  await run(failover[0]);
  expect(await portsInUse(place)).not.toContain('replica');
  expect(await run(failover[1])).toMatch(/Read from the primary[\s\S]*│ +100 │ +99 │/);
  await run(failover[2]);
  expect(await poll(fromReplica, 60_000)).toBe(true);
  expect(await run(failover[3])).toMatch(/│ +99 │/);
});
