import { randomUUID } from 'node:crypto';
import { Consistency } from '../src/gen/grpc/inventory/v1/inventory.js';
import { GetRequest, SellRequest } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import type { LoadPlan, Spread } from './load-plan.js';
import { nextStock } from './stocks.js';

/** A sale of one unit under an event id of its own, as a caller that may have to retry sends it. */
export function nextSell(spread: Spread): SellRequest {
  return {
    ...nextStock(spread),
    quantity: 1,
    eventId: randomUUID(),
    occurredTime: undefined,
    metadata: {},
  };
}

/** A read, by default of the nearest source, STRONG of the primary. */
export function nextGet({ rpc, spread }: Pick<LoadPlan, 'rpc' | 'spread'>): GetRequest {
  const consistency = rpc === 'strong get' ? Consistency.STRONG : Consistency.UNSPECIFIED;
  return { ...nextStock(spread), consistency, minVersion: 0n };
}

/** What makes the encoded requests of a plan, one at each call. */
export function encodedRequests(plan: LoadPlan): () => Uint8Array {
  return plan.rpc === 'sell'
    ? () => SellRequest.encode(nextSell(plan.spread)).finish()
    : () => GetRequest.encode(nextGet(plan)).finish();
}
