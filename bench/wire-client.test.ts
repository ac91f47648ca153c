import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  InventoryServiceService,
  type SellRequest,
  type SellResponse,
} from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { runGrpcJsClient } from './grpc-js-client.js';
import type { LoadPlan } from './load-plan.js';
import { runWireClient } from './wire-client.js';

/** A grpc-js server that notes what it is asked, and refuses every tenth call. */
class NotingServer {
  readonly #server = new Server();
  readonly eventIds = new Set<string>();
  calls = 0;
  refused = 0;

  async start(): Promise<string> {
    const { sell } = InventoryServiceService;
    const handler = (
      call: ServerUnaryCall<SellRequest, SellResponse>,
      callback: sendUnaryData<SellResponse>,
    ) => {
      this.eventIds.add(call.request.eventId);
      if (++this.calls % 10 === 0) {
        this.refused++;
        callback({ code: status.FAILED_PRECONDITION, details: 'refused' });
      } else {
        const { eventId } = call.request;
        callback(null, answer(eventId));
      }
    };
    this.#server.addService({ sell }, { sell: handler });
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return `127.0.0.1:${port}`;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

const answer = (eventId: string): SellResponse => ({
  stock: undefined,
  quantityBefore: 1,
  eventId,
  replayed: false,
});

describe.each([
  ['wire', runWireClient],
  ['grpc-js', runGrpcJsClient],
] as const)('the %s client', (client, run) => {
  const server = new NotingServer();
  let address = '';

  beforeEach(async () => {
    address = await server.start();
  });

  afterEach(() => server.stop());

  test('counts exactly the calls that were answered, and those that were refused', async () => {
    const plan: LoadPlan = {
      client,
      rpc: 'sell',
      spread: 'all stocks',
      address,
      connections: 2,
      inFlight: 50,
      seconds: 0.5,
    };
    const { answers, errors, seconds, p50Ms, p99Ms } = (await run(plan)).result();
    // It goes on once the first ones are answered.
    expect(server.calls).toBeGreaterThan(plan.inFlight);
    expect({ answers, errors }).toEqual({ answers: server.calls - server.refused, errors: server.refused });
    expect(server.eventIds.size).toBe(server.calls);
    expect(seconds).toBeGreaterThanOrEqual(0.5);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  });
});
