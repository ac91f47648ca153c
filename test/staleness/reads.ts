import { type CallOptions, Metadata, type ServiceError } from '@grpc/grpc-js';
import { Consistency, Source } from '../../src/gen/grpc/inventory/v1/inventory.js';
import type { InventoryServiceClient } from '../../src/gen/grpc/inventory/v1/inventory_service.js';
import { reasonOf } from '../load/service-calls.js';
import type { Claim, SourceName } from './staleness-checker.js';
import type { NamedStock } from './staleness-plan.js';

/** What an answer tells of a stock. */
export interface Told {
  readonly version: number;
  readonly quantity: number;
  readonly claim: Claim | undefined;
}

/** The answer to a read, or the reason why there is none. */
export type ReadAnswer<T> = { readonly told: T } | { readonly failure: string };

export interface Asked {
  readonly strong: boolean;
  readonly minVersion: number;
}

const NOT_FOUND: Told = { version: 0, quantity: 0, claim: undefined };

const optionsOf = (deadlineMs: number): CallOptions => ({ deadline: Date.now() + deadlineMs });

interface FreshnessFields {
  readonly source: Source;
  readonly cached: boolean;
  readonly maxAgeMs: number;
  readonly stale: boolean;
}

const claimOf = ({ source, cached, maxAgeMs, stale }: FreshnessFields): Claim => ({
  ...{ source: Source[source] as SourceName, cached, maxAgeMs, stale },
});

/** One stock over gRPC. Never rejects. */
export function getOverGrpc(
  client: InventoryServiceClient,
  { storeId, productId }: NamedStock,
  { strong, minVersion }: Asked,
  deadlineMs: number,
): Promise<ReadAnswer<Told>> {
  const consistency = strong ? Consistency.STRONG : Consistency.UNSPECIFIED;
  const request = { storeId, productId, consistency, minVersion: BigInt(minVersion) };
  return new Promise((resolve) => {
    client.get(request, new Metadata(), optionsOf(deadlineMs), (error, answer) => {
      if (error !== null) return resolve(fromFailure(error));
      const { version, quantity } = answer.stock!;
      resolve({ told: { version: Number(version), quantity, claim: claimOf(answer) } });
    });
  });
}

/** Several distinct stocks over gRPC, in the order asked. Never rejects. */
export function batchGetOverGrpc(
  client: InventoryServiceClient,
  stocks: readonly NamedStock[],
  deadlineMs: number,
): Promise<ReadAnswer<Told[]>> {
  const keys = stocks.map(({ storeId, productId }) => ({ storeId, productId }));
  const request = { keys, consistency: Consistency.UNSPECIFIED };
  return new Promise((resolve) => {
    client.batchGet(request, new Metadata(), optionsOf(deadlineMs), (error, answer) => {
      if (error !== null) return resolve({ failure: failureOf(error) });
      const claim = claimOf(answer);
      const found = new Map(answer.stocks.map((stock) => [`${stock.storeId} ${stock.productId}`, stock]));
      const told = stocks.map(({ storeId, productId }) => {
        const { version = 0n, quantity = 0 } = found.get(`${storeId} ${productId}`) ?? {};
        return { version: Number(version), quantity, claim };
      });
      if (found.size + answer.missing.length !== stocks.length) return resolve({ failure: 'INCOMPLETE' });
      resolve({ told });
    });
  });
}

/** One stock over REST. Never rejects. */
export async function getOverRest(
  httpUrl: string,
  { storeId, productId }: NamedStock,
  { minVersion }: Pick<Asked, 'minVersion'>,
  deadlineMs: number,
): Promise<ReadAnswer<Told>> {
  const wanted = new URLSearchParams({ storeId, productId, minVersion: String(minVersion) });
  try {
    const signal = AbortSignal.timeout(deadlineMs);
    const response = await fetch(`${httpUrl}/api/v1/inventory?${wanted}`, { signal });
    const { data, reason } = (await response.json()) as { data?: RestStock; reason?: string };
    if (reason === 'STOCK_NOT_FOUND') return { told: NOT_FOUND };
    if (data === undefined) return { failure: reason ?? String(response.status) };
    const { version, quantity, ...claim } = data;
    return { told: { version, quantity, claim } };
  } catch (error) {
    return { failure: (error as Error).name };
  }
}

interface RestStock extends Claim {
  readonly version: number;
  readonly quantity: number;
}

function fromFailure(error: ServiceError): ReadAnswer<Told> {
  const failure = failureOf(error);
  return failure === 'STOCK_NOT_FOUND' ? { told: NOT_FOUND } : { failure };
}

/** The service's reason; the code of gRPC where it is not from the service. */
const failureOf = (error: ServiceError): string => reasonOf(error) || `code ${error.code}`;
