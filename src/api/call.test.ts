import { describe, expect, test } from '@jest/globals';
import { InventoryError } from '../domain/errors.js';
import type { GetRequest, GetResponse, SellResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import { createLogger } from '../telemetry/logger.js';
import { createMetrics } from '../telemetry/metrics.js';
import { Calls } from './call.js';
import type { CallContext, Handlers, StreamHandlers } from './rpcs.js';

const REQUEST: GetRequest = { storeId: 'S', productId: 'P', consistency: 0, minVersion: 0n };
const RESPONSE: GetResponse = { stock: undefined, source: 4, cached: false, maxAgeMs: 0, stale: false };

const notHere = () => new InventoryError('UNIMPLEMENTED', 'Not here');

/** Calls whose Get and Sell do what the test says. */
function calls(does: {
  get?: (context: CallContext) => GetResponse | Promise<GetResponse>;
  sell?: (context: CallContext) => Promise<SellResponse>;
}) {
  const none = async (): Promise<never> => {
    throw notHere();
  };
  const handlers: Handlers & StreamHandlers = {
    get: (_request, context) => (does.get ?? none)(context),
    sell: async (_request, context) => (does.sell ?? none)(context),
    batchGet: none,
    list: none,
    restock: none,
    apply: none,
    listEvents: none,
    // biome-ignore lint/correctness/useYield: it is refused
    watch: async function* () {
      throw notHere();
    },
    // biome-ignore lint/correctness/useYield: it is refused
    sync: async function* () {
      throw notHere();
    },
  };
  const metrics = createMetrics();
  const made = new Calls({ handlers, metrics: metrics.requests, logger: createLogger('silent') });
  const get = async (deadlineMs?: number) => made.run('get', 'GRPC', () => REQUEST, { deadlineMs });
  return { made, get, metrics };
}

const reason = (reason: string) => expect.objectContaining({ reason });

describe('a call', () => {
  test('has 5 s where the caller gives no deadline, and 30 s at most', async () => {
    const seen: number[] = [];
    const { get } = calls({
      get: async ({ deadlineMs }) => {
        seen.push(deadlineMs - performance.now());
        return RESPONSE;
      },
    });
    expect(await get()).toBe(RESPONSE);
    await get(performance.now() + 3_600_000);
    await get(performance.now() + 1_000);
    const [byDefault, long, own] = seen as [number, number, number];
    expect(byDefault).toBeGreaterThan(4_500);
    expect(byDefault).toBeLessThanOrEqual(5_000);
    expect(long).toBeLessThanOrEqual(30_000);
    expect(long).toBeGreaterThan(29_000);
    expect(own).toBeLessThan(1_000);
  });

  test('is answered at once where its handler answers at once, and fails at once where that fails', async () => {
    let answer = () => RESPONSE;
    const { made, metrics } = calls({ get: () => answer() });
    expect(made.run('get', 'REST', () => REQUEST)).toBe(RESPONSE);
    answer = () => {
      throw new InventoryError('STOCK_NOT_FOUND', 'x');
    };
    expect(() => made.run('get', 'REST', () => REQUEST)).toThrow(reason('STOCK_NOT_FOUND'));
    const text = await metrics.registry.metrics();
    expect(text).toContain('onhand_requests_total{method="Get",transport="rest",code="OK",reason=""} 1');
    expect(text).toContain('transport="rest",code="NOT_FOUND",reason="STOCK_NOT_FOUND"} 1');
  });

  test('does not reach its handler after its deadline', async () => {
    let reached = false;
    const { get } = calls({
      get: async () => {
        reached = true;
        return RESPONSE;
      },
    });
    await expect(get(performance.now() - 1)).rejects.toEqual(reason('DEADLINE_EXCEEDED'));
    expect(reached).toBe(false);
  });

  test('is answered at its deadline with the event id, and the late failure of its handler harms nobody', async () => {
    let failLate: (error: Error) => void = () => {};
    const late = new Promise<SellResponse>((_resolve, reject) => {
      failLate = reject;
    });
    const { made } = calls({
      sell: (context) => {
        context.eventIds = ['the-id'];
        return late;
      },
    });
    const request = { ...REQUEST, quantity: 1, eventId: '', metadata: {} };
    const answer = made.run('sell', 'REST', () => request, { deadlineMs: performance.now() + 30 });
    await expect(answer).rejects.toMatchObject({
      reason: 'DEADLINE_EXCEEDED',
      metadata: { event_id: 'the-id' },
    });
    // jest fails the run on an unhandled rejection.
    failLate(new Error('late'));
    await new Promise((resolve) => setImmediate(resolve));
  });

  test('that fails on a defect tells nothing of it', async () => {
    const { get } = calls({
      get: async () => {
        throw new TypeError('inner text');
      },
    });
    await expect(get()).rejects.toMatchObject({ reason: 'INTERNAL', message: 'Internal error' });
  });

  test('is refused while the process stops, after it was decoded', async () => {
    const { made, get } = calls({ get: async () => RESPONSE });
    made.drain();
    await expect(get()).rejects.toEqual(reason('SHUTTING_DOWN'));
    const malformed = () => {
      throw new InventoryError('MALFORMED_MESSAGE', 'x');
    };
    expect(() => made.run('get', 'GRPC', malformed)).toThrow(reason('MALFORMED_MESSAGE'));
  });

  test('is counted by method, transport, code and reason', async () => {
    const { made, get, metrics } = calls({ get: async () => RESPONSE });
    await get();
    await get();
    await expect(get(0)).rejects.toEqual(reason('DEADLINE_EXCEEDED'));
    made.refuse('watch', 'CONNECT', notHere());
    const text = await metrics.registry.metrics();
    expect(text).toContain('onhand_requests_total{method="Get",transport="grpc",code="OK",reason=""} 2');
    expect(text).toContain('code="DEADLINE_EXCEEDED",reason="DEADLINE_EXCEEDED"} 1');
    expect(text).toContain(
      'method="Watch",transport="connect",code="UNIMPLEMENTED",reason="UNIMPLEMENTED"} 1',
    );
    expect(text).toContain('onhand_request_duration_seconds_count{method="Get",transport="grpc"} 3');
  });
});
