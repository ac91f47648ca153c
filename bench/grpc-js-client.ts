import { credentials, type ServiceError } from '@grpc/grpc-js';
import { InventoryServiceClient } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import type { LoadPlan } from './load-plan.js';
import { nextGet, nextSell } from './requests.js';
import { Tally } from './tally.js';

const READY_TIMEOUT_MS = 5_000;

/** Keeps `inFlight` calls of grpc-js clients under way until the time is over, then waits for the last answers. */
export async function runGrpcJsClient(plan: LoadPlan): Promise<Tally> {
  const clients = await Promise.all(Array.from({ length: plan.connections }, () => connected(plan.address)));
  const tally = new Tally();
  tally.start();
  const endMs = performance.now() + plan.seconds * 1000;
  const callers = Array.from({ length: plan.inFlight }, (_, index) =>
    callInTurn(clients[index % clients.length]!, plan, endMs, tally),
  );
  await Promise.all(callers);
  tally.stop();
  for (const client of clients) client.close();
  return tally;
}

function connected(address: string): Promise<InventoryServiceClient> {
  // Else all clients of the process would share one connection.
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const client = new InventoryServiceClient(address, credentials.createInsecure(), options);
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + READY_TIMEOUT_MS, (error) => {
      if (error) reject(error);
      else resolve(client);
    });
  });
}

async function callInTurn(
  client: InventoryServiceClient,
  plan: LoadPlan,
  endMs: number,
  tally: Tally,
): Promise<void> {
  while (performance.now() < endMs) {
    const sentMs = performance.now();
    tally.count(await succeeds(client, plan), sentMs);
  }
}

function succeeds(client: InventoryServiceClient, plan: LoadPlan): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (error: ServiceError | null) => resolve(error === null);
    if (plan.rpc === 'sell') client.sell(nextSell(plan.spread), settle);
    else client.get(nextGet(plan), settle);
  });
}
