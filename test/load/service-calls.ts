import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { STATUS_DETAILS_KEY } from '../../src/api/error-details.js';
import { ErrorInfo, RetryInfo, Status } from '../../src/gen/grpc/google/rpc/error_details.js';
import { ErrorReason } from '../../src/gen/grpc/inventory/v1/error_reason.js';
import {
  BatchMode,
  Consistency,
  EventStatus,
  OperationType,
  type Stock,
} from '../../src/gen/grpc/inventory/v1/inventory.js';
import {
  type ApplyResponse,
  type GetResponse,
  InventoryServiceClient,
  type SellResponse,
} from '../../src/gen/grpc/inventory/v1/inventory_service.js';
import type { Failure, Result } from './journal.js';
import type { Call, Command } from './load-plan.js';

/** What the service decided, or why it did not. */
export type Answer = { readonly results: Result[] } | { readonly failure: Failure };

/** Refusals: what was asked was decided, and will not be decided otherwise. */
const DECIDED = new Set([
  'INSUFFICIENT_STOCK',
  'STOCK_LIMIT',
  'STOCK_NOT_FOUND',
  'EVENT_ID_REUSED',
  'BATCH_REFUSED',
]);

const CLIENT_OPTIONS = {
  // Else all clients of the process would share one connection.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
};

/** A client with a connection of its own. */
export const connect = (address: string): InventoryServiceClient =>
  new InventoryServiceClient(address, credentials.createInsecure(), CLIENT_OPTIONS);

type Settle<Response> = (error: ServiceError | null, response: Response) => void;

/** Makes one call over native gRPC. Never rejects. */
export function perform(client: InventoryServiceClient, call: Call, deadlineMs: number): Promise<Answer> {
  const first = call.commands[0]!;
  const options = { deadline: Date.now() + deadlineMs };
  const metadata = new Metadata();
  return new Promise((resolve) => {
    const settled =
      <Response>(toResults: (response: Response) => Result[]): Settle<Response> =>
      (error, response) =>
        resolve(error === null ? { results: toResults(response) } : fromError(error, first));
    switch (call.rpc) {
      case 'Get':
      case 'GetStrong': {
        const consistency = call.rpc === 'Get' ? Consistency.UNSPECIFIED : Consistency.STRONG;
        const request = { ...first, consistency, minVersion: 0n };
        client.get(
          request,
          metadata,
          options,
          settled<GetResponse>(({ stock }) => [accepted(first, stock, false)]),
        );
        return;
      }
      case 'Sell':
      case 'Restock': {
        const request = { ...first, occurredTime: undefined, metadata: {} };
        const settle = settled<SellResponse>(({ stock, replayed }) => [accepted(first, stock, replayed)]);
        if (call.rpc === 'Sell') client.sell(request, metadata, options, settle);
        else client.restock(request, metadata, options, settle);
        return;
      }
      default:
        client.apply(applyRequest(call), metadata, options, settled<ApplyResponse>(fromApply));
    }
  });
}

const applyRequest = ({ rpc, commands }: Call) => ({
  storeId: commands[0]!.storeId,
  mode: rpc === 'ApplyAtomic' ? BatchMode.ATOMIC : BatchMode.INDEPENDENT,
  operations: commands.map(({ eventId, productId, type, quantity }) => ({
    ...{ eventId, productId, quantity, type: OperationType[type] },
    ...{ occurredTime: undefined, reason: '', metadata: {} },
  })),
});

const accepted = ({ eventId }: Command, stock: Stock | undefined, replayed: boolean): Result => ({
  eventId,
  accepted: true,
  reason: '',
  replayed,
  ...(stock && stockFigures(stock)),
});

const stockFigures = ({ version, quantity, oversold }: Stock) => ({
  version: Number(version),
  net: quantity - oversold,
});

const fromApply = ({ results }: ApplyResponse): Result[] =>
  results.map(({ eventId, status: eventStatus, reason, stock, replayed }) => ({
    eventId,
    accepted: eventStatus === EventStatus.SUCCESS,
    reason: reason === ErrorReason.UNSPECIFIED ? '' : (ErrorReason[reason] ?? String(reason)),
    replayed,
    ...(stock && stockFigures(stock)),
  }));

function fromError(error: ServiceError, { eventId }: Command): Answer {
  const { info, retry } = detailsOf(error);
  const { available, version } = info?.metadata ?? {};
  const reason = info?.reason ?? '';
  if (DECIDED.has(reason)) {
    const figures =
      version === undefined || available === undefined
        ? {}
        : { version: Number(version), net: Number(available) };
    return { results: [{ eventId, accepted: false, reason, replayed: false, ...figures }] };
  }
  const named = info?.metadata.event_id;
  const delay = retry?.retryDelay;
  return {
    failure: {
      code: status[error.code] ?? String(error.code),
      reason,
      message: error.details,
      ...(named === undefined ? {} : { eventId: named }),
      ...(delay === undefined ? {} : { retryDelayMs: Number(delay.seconds) * 1000 + delay.nanos / 1e6 }),
    },
  };
}

/** The service's reason; empty where the failure is not from it. */
export const reasonOf = (error: ServiceError): string => detailsOf(error).info?.reason ?? '';

function detailsOf(error: ServiceError): { info?: ErrorInfo; retry?: RetryInfo } {
  const bytes = error.metadata.get(STATUS_DETAILS_KEY)[0];
  if (!Buffer.isBuffer(bytes)) return {};
  const { details } = Status.decode(bytes);
  const find = (name: string) => details.find(({ typeUrl }) => typeUrl.endsWith(name))?.value;
  const [info, retry] = [find('google.rpc.ErrorInfo'), find('google.rpc.RetryInfo')];
  return {
    ...(info && { info: ErrorInfo.decode(info) }),
    ...(retry && { retry: RetryInfo.decode(retry) }),
  };
}
