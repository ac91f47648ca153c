import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Conformance } from '../src/api/conformance.js';
import { describeNeeding } from '../src/dev/describe-needing.js';
import { CURL } from '../src/dev/optional-programs.js';
import { projectRoot } from '../src/project-root.js';
import { newPlace, type Place, StartedOnhand } from './started-onhand.js';

jest.setTimeout(180_000);

const ORIGIN = 'http://localhost:8080';
const document = readFileSync(join(projectRoot(), 'test', 'fixtures', 'original-api.md'), 'utf8');

type Body = Record<string, unknown>;

/** An example of the document: a command, and what it is documented to answer. */
interface Example {
  readonly title: string;
  readonly command: string;
  readonly answers: readonly { readonly status: number; readonly body: Body }[];
}

const examples: readonly Example[] = document
  .split(/^#### \d+\. /m)
  .slice(1)
  .map((section) => ({
    title: section.split('\n', 1)[0]!,
    command: /```bash\n(curl [\s\S]*?)\n```/.exec(section)![1]!,
    answers: [...section.matchAll(/\*\*Response\*\* \((\d+)[^)]*\):\n```json\n([\s\S]*?)\n```/g)].map(
      ([, status, body]) => ({ status: Number(status), body: JSON.parse(body!) as Body }),
    ),
  }));

const exampleOf = (title: string): Example => examples.find((example) => example.title === title)!;

/** What differs from call to call is of the documented kind; all else must be as documented, and nothing may be missing. */
const KINDS: Record<string, unknown> = {
  timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/),
  lastUpdated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/),
  eventId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
};

function documented(body: Body): Body {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [name, KINDS[name] ?? (isObject ? documented(value as Body) : value)];
    }),
  );
}

const conformance = new Conformance();
let place: Place;
let onhand: StartedOnhand;

/** Runs a command as it stands, but for the port. */
async function run(command: string): Promise<{ status: number; body: Body }> {
  const here = command.replaceAll(ORIGIN, `http://localhost:${place.ports.http}`);
  const path = `${dirname(process.env[CURL.givenIn]!)}:${process.env.PATH}`;
  const { stdout } = await promisify(execFile)(
    'sh',
    ['-c', `${here} --silent --write-out '\\n%{http_code}'`],
    {
      env: { ...process.env, PATH: path },
    },
  );
  const [, text = '', status] = /^([\s\S]*)\n(\d+)$/.exec(stdout) ?? [];
  const [, method = '', url = ''] = /-X (\w+) "?(http[^" ]+)/.exec(here) ?? [];
  conformance.check(method, url, Number(status), text);
  return { status: Number(status), body: JSON.parse(text) as Body };
}

describeNeeding(CURL, 'the API of the original system', () => {
  beforeAll(async () => {
    place = await newPlace();
    onhand = new StartedOnhand(place, []);
    await onhand.says('Onhand is ready.');
  });

  afterAll(async () => {
    await onhand?.end('SIGTERM');
    if (place !== undefined) rmSync(place.dataDir, { recursive: true, force: true });
  });

  test('is documented by four commands', () => {
    expect(examples.map(({ title }) => title)).toEqual([
      'Get Inventory',
      'Process Sale',
      'Restock Inventory',
      'Batch Synchronization',
    ]);
    expect(document.match(/^curl /gm)).toHaveLength(examples.length);
  });

  test('is served as documented: its commands in their order, on a fresh start', async () => {
    const quantities: unknown[] = [];
    for (const { title, command, answers } of examples) {
      const { status, body } = await run(command);
      const expected = documented(answers[0]!.body);
      if (title === 'Get Inventory') {
        // Where it was read is up to the service, and the two say the same of it.
        const { cached } = body.data as { cached: boolean };
        expected.message = cached ? 'Retrieved from cache' : 'Retrieved from database';
        expected.data = { ...(expected.data as Body), cached };
      }
      expect({ title, status, body }).toMatchObject({ title, status: answers[0]!.status, body: expected });
      quantities.push((body.data as { quantity?: number }).quantity);
    }
    expect(quantities.slice(0, 3)).toEqual([100, 95, 195]);
    const { body } = await run(exampleOf('Get Inventory').command.replace('?', '?consistency=STRONG&'));
    expect(body.data).toMatchObject({ quantity: 185 });
  });

  test('says with the documented text that there is not enough', async () => {
    const refusal = exampleOf('Process Sale').answers[1]!;
    const [, available, requested] = /Available: (\d+), Requested: (\d+)/.exec(String(refusal.body.message))!;
    const few = (command: string, quantity: string | undefined) =>
      command.replace('PROD_0001', 'PROD_FEW').replace(/"quantity": \d+/, `"quantity": ${quantity}`);
    await run(few(exampleOf('Restock Inventory').command, available));
    const { status, body } = await run(few(exampleOf('Process Sale').command, requested));
    expect({ status, body }).toMatchObject({ status: refusal.status, body: documented(refusal.body) });
  });

  test('has its interactive documentation at the documented addresses', async () => {
    const section = document.slice(document.indexOf('### Interactive API Documentation'));
    const urls = section.match(/http:\S+/g)!;
    expect(urls).toHaveLength(2);
    for (const url of urls) {
      const response = await fetch(url.replace(ORIGIN, `http://localhost:${place.ports.http}`));
      expect([url, response.status]).toEqual([url, 200]);
    }
  });
});
