import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { installGate } from './gate.js';
import { lateCommand } from './scenarios/durability.js';
import {
  anotherPayload,
  oneIdForTwoProducts,
  oneIdInOneBatch,
  oneIdInTwoProcesses,
  refusalRepeated,
} from './scenarios/repeats.js';
import { lastUnits, twoHundredSales } from './scenarios/sales.js';
import { Services } from './services.js';

let database: TestDatabase;
let services: Services;

beforeAll(async () => {
  database = await createTestDatabase();
  await installGate(database.url);
  services = await Services.start(database.url, 2);
}, 120_000);

afterAll(async () => {
  await services?.stop();
  await database?.drop();
});

describe('two processes on one database', () => {
  test.each([
    twoHundredSales,
    lastUnits,
    oneIdInTwoProcesses,
    oneIdInOneBatch,
    oneIdForTwoProducts,
    anotherPayload,
    refusalRepeated,
    lateCommand,
  ])('$title', async ({ run, expected }) => {
    expect(await run(services)).toEqual(expected);
  });
});
