import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TRANSPORTS } from '../src/api/rpcs.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { newStore } from './scenarios/scenario.js';
import { Services } from './services.js';
import { EMPTY, explain, type StockModel } from './stock-model.js';
import { addsUp } from './store-audit.js';

const RUNS = 300;

let database: TestDatabase;
let services: Services;

beforeAll(async () => {
  database = await createTestDatabase();
  services = await Services.start(database.url, 2);
}, 60_000);

afterAll(async () => {
  await services?.stop();
  await database?.drop();
});

/** Few products and event ids, small quantities: so that commands repeat each other, contradict each other and are refused. */
const command = fc.record({
  rpc: fc.constantFrom('Sell', 'Sell', 'Restock'),
  productId: fc.constantFrom('A', 'B'),
  quantity: fc.integer({ min: 1, max: 4 }),
  eventId: fc.integer({ min: 0, max: 7 }),
  which: fc.constantFrom(0, 1),
  transport: fc.constantFrom(...TRANSPORTS),
});

/** Commands that are sent together; the next ones when all have their answers. */
const volleys = fc.array(fc.array(command, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 });

test(`${RUNS} random histories of commands, repeats and refusals through two processes equal a model`, async () => {
  const models = new Map<string, StockModel>();
  const history = fc.asyncProperty(volleys, async (history) => {
    const storeId = newStore();
    const eventIds = Array.from({ length: 8 }, () => randomUUID());
    let model = EMPTY;
    for (const volley of history) {
      const answered = await Promise.all(
        volley.map(async ({ which, transport, ...rest }) => {
          const sent = { ...rest, storeId, eventId: eventIds[rest.eventId]! };
          return { command: sent, answer: await services.send(which, sent, transport) };
        }),
      );
      const next = explain(model, answered);
      if (next === undefined) {
        const story = JSON.stringify(
          { stocks: [...model.stocks], decided: [...model.decided], answered },
          null,
          1,
        );
        throw new Error(`No order of these commands explains their answers: ${story}`);
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
  const found = stocks.map(({ storeId, productId, net, version }) => [
    `${storeId} ${productId}`,
    { net, version },
  ]);
  const expected = [...models].flatMap(([storeId, model]) =>
    [...model.stocks].map(([productId, stock]) => [`${storeId} ${productId}`, stock]),
  );
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
}, 240_000);
