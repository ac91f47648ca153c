import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TRANSPORTS } from '../src/api/rpcs.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import type { Command } from './commands.js';
import { newStore } from './scenarios/scenario.js';
import { Services } from './services.js';
import { type Answered, EMPTY, explain, type StockModel } from './stock-model.js';
import { addsUp } from './store-audit.js';

const RUNS = 300;

let database: TestDatabase;
let services: Services;

beforeAll(async () => {
  database = await createTestDatabase();
  services = await Services.start(database.url, 2);
}, 120_000);

afterAll(async () => {
  await services?.stop();
  await database?.drop();
});

/** Few products and event ids, small quantities: so that commands repeat each other, contradict each other and are refused. */
const change = fc.record({
  rpc: fc.constantFrom('Sell', 'Sell', 'Restock'),
  productId: fc.constantFrom('A', 'B'),
  quantity: fc.integer({ min: 1, max: 4 }),
  eventId: fc.integer({ min: 0, max: 9 }),
});

const which = fc.constantFrom(0, 1);
const single = fc.record({ which, change, transport: fc.constantFrom(...TRANSPORTS) });
const batch = fc.record({
  which,
  changes: fc.array(change, { minLength: 1, maxLength: 4 }),
  mode: fc.constantFrom('ATOMIC', 'INDEPENDENT'),
});
const call = fc.oneof({ weight: 3, arbitrary: single }, { weight: 1, arbitrary: batch });

/** Calls that are made together; the next ones when all have their answers. */
const volleys = fc.array(fc.array(call, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 });

type Call = typeof call extends fc.Arbitrary<infer Each> ? Each : never;
type Change = typeof change extends fc.Arbitrary<infer Each> ? Each : never;

async function make(call: Call, commandOf: (change: Change) => Command): Promise<Answered> {
  if ('change' in call) {
    const command = commandOf(call.change);
    const answer = await services.send(call.which, command, call.transport);
    return { commands: [command], atomic: false, answers: [answer] };
  }
  const commands = call.changes.map(commandOf);
  const answers = await services.sendBatch(call.which, call.mode, commands);
  return { commands, atomic: call.mode === 'ATOMIC', answers };
}

test(`${RUNS} random histories of commands, batches, repeats and refusals through two processes equal a model`, async () => {
  const models = new Map<string, StockModel>();
  const history = fc.asyncProperty(volleys, async (history) => {
    const storeId = newStore();
    const eventIds = Array.from({ length: 10 }, () => randomUUID());
    const commandOf = (each: Change) => ({ ...each, storeId, eventId: eventIds[each.eventId]! });
    let model = EMPTY;
    for (const volley of history) {
      const answered = await Promise.all(volley.map((each) => make(each, commandOf)));
      const next = explain(model, answered);
      if (next === undefined) {
        const story = { stocks: [...model.stocks], decided: [...model.decided], answered };
        throw new Error(`No order of these calls explains their answers: ${JSON.stringify(story, null, 1)}`);
      }
      model = next;
    }
    models.set(storeId, model);
  });
  await fc.assert(history, {
    numRuns: RUNS,
    seed: 1_950,
    interruptAfterTimeLimit: 200_000,
    markInterruptAsFailure: true,
  });

  const stocks = await services.audit();
  expect(stocks.filter((stock) => !addsUp(stock))).toEqual([]);
  // At version 0 there is none: a refused batch would have made it.
  const found = stocks
    .filter(({ version }) => version > 0)
    .map(({ storeId, productId, net, version }) => [`${storeId} ${productId}`, { net, version }]);
  const expected = [...models].flatMap(([storeId, model]) =>
    [...model.stocks].map(([productId, stock]) => [`${storeId} ${productId}`, stock]),
  );
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
}, 240_000);
