import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../../src/dev/test-database.js';
import { importOf, type Mutant } from '../mutants/mutant.js';
import { FollowedTail } from './followed-tail.js';
import { writeAtRandom } from './random-writers.js';
import type { DeliveredChange } from './tail-process.js';

/** What the feed delivers, compared with the event log that it follows. */

const SEEDS = [1, 2, 3];

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database?.drop();
});

/** How what was delivered differs from the log. */
interface Differences {
  readonly missing: number;
  readonly twice: number;
  /** Changes that came before or long after the version that they follow. */
  readonly outOfOrder: number;
}

async function differences(seed: number, mutant?: Mutant): Promise<Differences> {
  const tail = await FollowedTail.start(database.url, mutant === undefined ? [] : [importOf(mutant)]);
  try {
    const known = await changesInLog();
    await tail.untilDelivered(await writeAtRandom(database.url, seed));
    const written = (await changesInLog()).slice(known.length);
    expect(written.length).toBeGreaterThan(300);
    return compare(written, tail.delivered);
  } finally {
    await tail.stop();
  }
}

async function changesInLog(): Promise<string[]> {
  const { rows } = await withConnection(database.url, (client) =>
    client.query<{ event_id: string }>(
      `SELECT event_id FROM event_log WHERE effect = 'APPLIED' ORDER BY recorded_time, seq`,
    ),
  );
  return rows.map((row) => row.event_id);
}

function compare(written: readonly string[], delivered: readonly DeliveredChange[]): Differences {
  const times = new Map<string, number>();
  for (const { eventId } of delivered) times.set(eventId, (times.get(eventId) ?? 0) + 1);
  const versions = new Map<string, number>();
  let outOfOrder = 0;
  for (const { stock, version } of delivered) {
    const before = versions.get(stock);
    if (before !== undefined && version !== before + 1) outOfOrder++;
    versions.set(stock, version);
  }
  return {
    missing: written.filter((eventId) => !times.has(eventId)).length,
    twice: [...times.values()].filter((count) => count > 1).length,
    outOfOrder,
  };
}

test.each(SEEDS)(
  'each change is delivered once, and those of a stock in the order of their versions: seed %i',
  async (seed) => {
    expect(await differences(seed)).toEqual({ missing: 0, twice: 0, outOfOrder: 0 });
  },
);

const STATEMENTS = 'src/postgres/feed-statements.js';
const SINCE = 'FROM event_log WHERE xid > $1 AND';
const RUNNING = 'xid = ANY ($2::xid8[])';

const MUTANTS: readonly (Mutant & { readonly name: string; readonly wrong: keyof Differences })[] = [
  {
    name: 'takes what has a higher number than the last one',
    file: STATEMENTS,
    replace: [
      [
        SINCE,
        `FROM event_log WHERE seq > (SELECT coalesce(max(seq), 0) FROM event_log
           WHERE xid <= $1 AND xid <> ALL ($2::xid8[])) AND`,
      ],
      [RUNNING, 'false'],
    ],
    wrong: 'missing',
  },
  {
    name: 'forgets the transactions that were running',
    file: STATEMENTS,
    replace: [[RUNNING, `${RUNNING} AND false`]],
    wrong: 'missing',
  },
  {
    name: 'delivers in the order of transactions and numbers',
    file: 'src/feed/tail.js',
    replace: [['.sort(byStockAndVersion)', '']],
    wrong: 'outOfOrder',
  },
];

test.each(MUTANTS)('a feed that $name is caught', async ({ wrong, ...mutant }) => {
  for (const seed of SEEDS) if ((await differences(seed, mutant))[wrong] > 0) return;
  throw new Error(`Not caught by the seeds ${SEEDS.join(', ')}`);
});
