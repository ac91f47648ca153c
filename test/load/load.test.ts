import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../../src/dev/test-database.js';
import { type ServiceProcess, startService } from '../service-process.js';
import { audit } from './audit.js';
import type { RecordedCall, Result, Try } from './journal.js';
import { callAt, type LoadPlan, type Rpc } from './load-plan.js';
import { LoadProcess } from './load-process.js';
import { openStocks } from './opening-stocks.js';
import { isRead } from './stock-order.js';

const PLAN: LoadPlan = {
  seed: 'load',
  addresses: [],
  connections: 2,
  load: { inFlight: 16 },
  stocks: { storePrefix: 'store', stores: 2, products: 5 },
  mix: { Sell: 3, Restock: 1, Get: 1, GetStrong: 1 },
  deadlineMs: 5_000,
  seconds: 30,
};

test('a plan makes the same calls again, each command with an event id of its own', () => {
  const calls = () => Array.from({ length: 500 }, (_, index) => callAt(PLAN, index));
  expect(calls()).toEqual(calls());
  const ids = calls().flatMap(({ commands }) => commands.map(({ eventId }) => eventId));
  expect(new Set(ids).size).toBe(500);
  expect(callAt({ ...PLAN, seed: 'other' }, 0)).not.toEqual(callAt(PLAN, 0));
  const { commands } = callAt({ ...PLAN, mix: { ApplyAtomic: 1 }, batchSize: 20 }, 7);
  expect(new Set(commands.map(({ storeId }) => storeId)).size).toBe(1);
  expect(new Set(commands.map(({ eventId }) => eventId)).size).toBe(20);
});

describe('a load client against a service, and the audit of its journal', () => {
  let database: TestDatabase;
  let service: ServiceProcess;
  let load: LoadProcess;
  let calls: RecordedCall[];

  beforeAll(async () => {
    database = await createTestDatabase();
    await openStocks(database.url, PLAN.stocks, 50);
    service = await startService({ databaseUrl: database.url });
    load = new LoadProcess({ ...PLAN, addresses: [service.grpcAddress] });
    await load.until(({ accepted, refused }) => accepted >= 500 && refused >= 5, 60_000);
    calls = await load.stop();
  }, 120_000);

  afterAll(async () => {
    await load?.remove();
    await service?.stop();
    await database?.drop();
  });

  const problems = async (changed = calls) => (await audit(database.url, changed)).problems;

  /** An accepted sale that is not its stock's first change by the client. */
  const indexOfSale = () =>
    calls.findIndex(({ rpc, tries: [first] }) => rpc === 'Sell' && (first?.results?.[0]?.version ?? 0) > 2);

  /** The journal with the answer to one accepted sale changed. */
  const withAnswer = (result: object): RecordedCall[] => {
    const index = indexOfSale();
    const call = calls[index]!;
    const told = { ...call.tries[0]!.results![0]!, ...result };
    return calls.with(index, { ...call, tries: [{ ...call.tries[0]!, results: [told] }] });
  };

  test('finds nothing wrong with a service that does its work', async () => {
    const { acknowledged, unknown, events, problems } = await audit(database.url, calls);
    expect(problems).toEqual([]);
    const changes = calls.filter((call) => !isRead(call)).length;
    expect({ acknowledged, unknown, events }).toEqual({
      acknowledged: changes,
      unknown: 0,
      events: changes + 10,
    });
  });

  test('finds acknowledgements that are not so', async () => {
    expect(await problems(withAnswer({ accepted: false, reason: 'INSUFFICIENT_STOCK' }))).toEqual([
      expect.stringContaining('accepted: false and true; reason: INSUFFICIENT_STOCK and null'),
    ]);
    expect(await problems(withAnswer({ version: 10_000 }))).toEqual([
      expect.stringContaining('version: 10000'),
    ]);
    expect(await problems(withAnswer({ net: -1 }))).toEqual([expect.stringContaining('net: -1')]);
  });

  test('finds what was acknowledged and is not there, and what is there and was never sent', async () => {
    const call = callAt({ ...PLAN, seed: 'lost' }, 0);
    const result = { eventId: call.commands[0]!.eventId, accepted: true, reason: '', replayed: false };
    const lost = { ...call, tries: [{ sentMs: 0, endedMs: 1, results: [result] }] };
    expect(await problems([...calls, lost])).toEqual([
      expect.stringContaining('acknowledged and is not there'),
    ]);
    const index = calls.findIndex(({ rpc }) => rpc === 'Restock');
    expect(await problems(calls.toSpliced(index, 1))).toEqual([expect.stringContaining('nobody sent')]);
  });

  test('finds a change that its caller was told not to have happened, and answers against the clock', async () => {
    const index = indexOfSale();
    const call = calls[index]!;
    const failure = { code: 'UNAVAILABLE', reason: 'DATABASE_UNAVAILABLE', message: '' };
    const denied = { ...call, tries: [{ sentMs: call.tries[0]!.sentMs, endedMs: 1e12, failure }] };
    expect(await problems(calls.with(index, denied))).toEqual([expect.stringContaining('told of no change')]);
    const answeredEarly = { ...call, tries: [{ ...call.tries[0]!, endedMs: 0 }] };
    const { storeId, productId } = call.commands[0]!;
    expect(await problems(calls.with(index, answeredEarly))).toContainEqual(
      expect.stringMatching(`^${storeId} ${productId}: version .* before an earlier version was sent`),
    );
  });

  /** The journal with the last answer of this kind changed. */
  const withLast = (rpc: Rpc, accepted: boolean, change: { endedMs?: number }, told: Partial<Result>) => {
    const isWanted = (call: RecordedCall) => {
      const [result] = call.tries[0]?.results ?? [];
      return call.rpc === rpc && result?.accepted === accepted && (result.version ?? 0) > 2;
    };
    const index = calls.findLastIndex(isWanted);
    const call = calls[index]!;
    const [first] = call.tries as [Try];
    const results = [{ ...first.results![0]!, ...told }];
    return calls.with(index, { ...call, tries: [{ ...first, ...change, results }] });
  };
  const OPENING = { version: 1, net: 50 };

  test('finds reads and refusals that no order of the events explains', async () => {
    expect(await problems(withLast('Get', true, {}, OPENING))).toEqual([]);
    expect(await problems(withLast('Get', true, {}, { net: -1 }))).toEqual([
      expect.stringMatching(/: Get told -1 at version \d+, which was \d+$/),
    ]);
    expect(await problems(withLast('Get', true, {}, { version: 10_000 }))).toEqual([
      expect.stringMatching(/: Get told \d+ at version 10000, which was undefined$/),
    ]);
    expect(await problems(withLast('Get', true, { endedMs: 0 }, {}))).toEqual([
      expect.stringMatching(/: Get told \d+ at version \d+, before that was sent$/),
    ]);
    expect(await problems(withLast('GetStrong', true, {}, OPENING))).toEqual([
      expect.stringMatching(/: GetStrong told version 1; version \d+ was known before it was sent$/),
    ]);
    expect(await problems(withLast('Sell', false, {}, OPENING))).toContainEqual(
      expect.stringMatching(/: Sell told version 1; version \d+ was known before it was sent$/),
    );
  });

  test('finds stocks that their events do not make', async () => {
    await withConnection(database.url, (client) =>
      client.query(`UPDATE stock SET net = net + 1 WHERE (store_id, product_id) = ('store-1', 'p-1')`),
    );
    expect(await problems()).toEqual([expect.stringMatching(/^store-1 p-1 is \d+ at version/)]);
  });
});
