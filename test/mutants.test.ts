import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { installGate } from './gate.js';
import { importOf, type Mutant } from './mutants/mutant.js';
import { refusedBatch } from './scenarios/batches.js';
import { failedWrite, killedBeforeCommit, lateCommand } from './scenarios/durability.js';
import {
  anotherPayload,
  oneIdForTwoProducts,
  oneIdInOneBatch,
  oneIdInTwoProcesses,
  refusalRepeated,
} from './scenarios/repeats.js';
import { lastUnits } from './scenarios/sales.js';
import type { Scenario } from './scenarios/scenario.js';
import { Services } from './services.js';

/** Services start for every mutant. */
jest.setTimeout(90_000);

/** A mechanism, the service without it, and the scenario that shows it, by what is then seen. */
interface Row {
  readonly without: string;
  readonly mutant: Mutant;
  readonly scenario: Scenario;
  readonly seen: object;
}

const STATEMENTS = 'src/postgres/ledger-statements.js';
const WRITES = 'src/postgres/ledger-write.js';
const BATCH = 'src/ledger/batch.js';
const SETTLE = 'src/ledger/settle-batch.js';
const PENDING = 'src/ledger/pending.js';
const JUDGE = 'src/domain/judge-submissions.js';
const DECIDE = 'src/domain/decide.js';

const FIND = 'client.query({ ...FIND_EVENTS, values: identityArrays(commands) })';

const withoutReadingAfterTheLock: Mutant = {
  file: STATEMENTS,
  replace: [
    [FIND, 'globalThis.early'],
    ['client.query(BEGIN)', `(client.query(BEGIN), globalThis.early = ${FIND})`],
  ],
};

const rows: readonly Row[] = [
  {
    without: 'the row lock',
    mutant: { file: STATEMENTS, replace: [[' FOR NO KEY UPDATE', '']] },
    scenario: lastUnits,
    seen: { addsUp: false },
  },
  {
    without: 'seeing the stock as the commands before it in the batch left it',
    mutant: { file: JUDGE, replace: [['this.stocks.get(key) ?? ', '']] },
    scenario: lastUnits,
    seen: { answers: { accepted: 6 }, addsUp: false },
  },
  {
    without: 'seeing the event ids of the commands before it in the batch',
    mutant: {
      file: JUDGE,
      replace: [['this.#priors.set(keyOf(event.storeId, event.eventId), event);', '']],
    },
    scenario: oneIdInOneBatch,
    seen: { events: 0 },
  },
  {
    without: 'reading the events that its ids already have',
    mutant: { file: STATEMENTS, replace: [['events.rows.map(toPriorEvent)', '[]']] },
    scenario: oneIdInTwoProcesses,
    seen: { replayed: 0 },
  },
  {
    without: 'reading them after the lock',
    mutant: withoutReadingAfterTheLock,
    scenario: oneIdInTwoProcesses,
    seen: { collisions: 1 },
  },
  {
    without: 'failing where an event id is taken',
    mutant: {
      file: WRITES,
      replace: [['e.store_id, e.event_id\n', 'e.store_id, e.event_id ON CONFLICT DO NOTHING\n']],
    },
    scenario: oneIdForTwoProducts,
    seen: { answers: { accepted: 2 }, events: 1, addsUp: false },
  },
  {
    without: 'comparing the fingerprint',
    mutant: { file: DECIDE, replace: [['prior.fingerprint !== fingerprintOf(command)', 'false']] },
    scenario: anotherPayload,
    seen: { answers: { accepted: 4 } },
  },
  {
    without: 'recording refusals',
    mutant: { file: DECIDE, replace: [['return { outcome, event };', 'return { outcome };']] },
    scenario: refusalRepeated,
    seen: { answers: { INSUFFICIENT_STOCK: 1, accepted: 1 } },
  },
  {
    without: 'refusing an ATOMIC batch whole',
    mutant: { file: JUDGE, replace: [['outcomes.every(tookEffect)', 'true']] },
    scenario: refusedBatch,
    seen: { outcomes: ['accepted', 'INSUFFICIENT_STOCK'], quantities: [3, 102] },
  },
  {
    without: 'waiting for COMMIT before the acknowledgement',
    mutant: {
      file: WRITES,
      replace: [
        [
          'await Promise.all([write, commit])',
          "[Promise.allSettled([write, commit]), { command: 'COMMIT' }]",
        ],
      ],
    },
    scenario: killedBeforeCommit,
    seen: { acknowledged: 1, eventsAfterKill: 0 },
  },
  {
    without: "looking at the write's failure and at the tag of COMMIT",
    mutant: {
      file: WRITES,
      replace: [
        ['Promise.all([write, commit])', 'Promise.all([write?.catch(() => undefined), commit])'],
        ['return committed.command', "return 'COMMIT'"],
      ],
    },
    scenario: failedWrite,
    seen: { answers: ['', '', ''], acknowledgedWithoutEvent: 3 },
  },
  {
    without: 'halving a batch that the database refuses',
    mutant: {
      file: SETTLE,
      replace: [['await divide(open, answer, options)', 'giveUp(open, answer, options)']],
    },
    scenario: failedWrite,
    seen: { answers: ['INTERNAL', 'INTERNAL', 'INTERNAL'] },
  },
  {
    without: 'dropping commands whose deadline has passed',
    mutant: { file: PENDING, replace: [['this.deadlineMs > nowMs', 'true']] },
    scenario: lateCommand,
    seen: { events: 1 },
  },
];

/** One lane, so that commands of different products meet in a batch. Coverage is of the service as it is. */
const ENVIRONMENT = { ONHAND_LANES: '1', NODE_V8_COVERAGE: '' };

async function seenOf(scenario: Scenario, database: TestDatabase, mutant?: Mutant): Promise<object> {
  const imports = mutant === undefined ? [] : [importOf(mutant)];
  const services = await Services.start(database.url, scenario.processes, {
    environment: ENVIRONMENT,
    imports,
  });
  try {
    return await scenario.run(services);
  } finally {
    await services.stop();
  }
}

describe('with the database as it is', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await installGate(database.url);
  });

  afterAll(async () => {
    await database?.drop();
  });

  describe('the service as it is', () => {
    let services: Services;

    beforeAll(async () => {
      services = await Services.start(database.url, 2, { environment: ENVIRONMENT });
    });

    afterAll(async () => {
      await services?.stop();
    });

    test.each([...new Set(rows.map(({ scenario }) => scenario))])('$title', async ({ run, expected }) => {
      expect(await run(services)).toEqual(expected);
    });
  });

  test.each(rows)('the service without $without', async ({ mutant, scenario, seen }) => {
    expect(await seenOf(scenario, database, mutant)).toMatchObject(seen);
    expect(scenario.expected).not.toMatchObject(seen);
  });

  test('a mutant that changes nothing does not start', async () => {
    const nothing: Mutant = { file: BATCH, replace: [['no such text', '']] };
    await expect(seenOf(lastUnits, database, nothing)).rejects.toThrow('exactly once');
  });
});

describe('with a database without UNIQUE (store_id, event_id)', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await installGate(database.url);
    const statement = 'ALTER TABLE event_log DROP CONSTRAINT event_log_event_id_key';
    await withConnection(database.url, (client) => client.query(statement));
  });

  afterAll(async () => {
    await database?.drop();
  });

  test('an event id takes effect for two products', async () => {
    expect(await seenOf(oneIdForTwoProducts, database)).toMatchObject({
      answers: { accepted: 2 },
      events: 2,
    });
  });

  test('and still once for one product, since prior events are read after the lock', async () => {
    expect(await seenOf(oneIdInTwoProcesses, database)).toEqual(oneIdInTwoProcesses.expected);
  });

  test('but twice where they are read before it', async () => {
    const seen = await seenOf(oneIdInTwoProcesses, database, withoutReadingAfterTheLock);
    expect(seen).toMatchObject({ events: 2 });
  });
});
