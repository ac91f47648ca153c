import type {
  ApplyRequest,
  ApplyResponse,
  BatchGetRequest,
  BatchGetResponse,
  GetRequest,
  GetResponse,
  ListEventsRequest,
  ListEventsResponse,
  ListRequest,
  ListResponse,
  RestockRequest,
  RestockResponse,
  SellRequest,
  SellResponse,
  SyncRequest,
  WatchRequest,
  WatchResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';

/** The full name of the service that Onhand serves. */
export const SERVICE_NAME = 'inventory.v1.InventoryService';

/** What goes in and out of each unary RPC, by its name in the generated code. */
export interface UnaryRpcs {
  get: { request: GetRequest; response: GetResponse };
  batchGet: { request: BatchGetRequest; response: BatchGetResponse };
  list: { request: ListRequest; response: ListResponse };
  sell: { request: SellRequest; response: SellResponse };
  restock: { request: RestockRequest; response: RestockResponse };
  apply: { request: ApplyRequest; response: ApplyResponse };
  listEvents: { request: ListEventsRequest; response: ListEventsResponse };
}

export type UnaryRpc = keyof UnaryRpcs;

/** The RPC's name in the contract, in metrics and logs. UNKNOWN stands for requests that reach none. */
export const RPC_NAMES = {
  get: 'Get',
  batchGet: 'BatchGet',
  list: 'List',
  sell: 'Sell',
  restock: 'Restock',
  apply: 'Apply',
  listEvents: 'ListEvents',
  sync: 'Sync',
  watch: 'Watch',
  unknown: 'UNKNOWN',
} as const satisfies Record<UnaryRpc | StreamedRpc | 'unknown', string>;

export type RpcKey = keyof typeof RPC_NAMES;

/** The ways in which requests come. They are the origins of their events. */
export const TRANSPORTS = ['GRPC', 'CONNECT', 'REST'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** What a handler knows about a call beside its request. */
export interface CallContext {
  readonly actor: string;
  readonly origin: Transport;
  /** On the clock of performance.now(). */
  readonly deadlineMs: number;
  /** Set by the handler of a write as soon as they are known, so that a call that ends early can name them. */
  eventIds: readonly string[];
}

/** Messages that come in one after the other. */
export interface Incoming<Message> {
  /** Undefined once the caller has no more, or has gone. @throws InventoryError where the message cannot be decoded. */
  next(): Promise<Message | undefined>;
}

/** What goes in and out of each RPC whose answer is a stream. */
export interface StreamedRpcs {
  /** The answer is an encoded SyncResponse: it may have to wait for a store that reads slowly, and is small so. */
  sync: { request: Incoming<SyncRequest>; response: Buffer };
  watch: { request: WatchRequest; response: WatchResponse };
}

export type StreamedRpc = keyof StreamedRpcs;

/**
 * One handler for each unary RPC; it validates, answers (at once, or later), or throws (anything: the error table has the
 * last word).
 */
export type Handlers = {
  readonly [R in UnaryRpc]: (
    request: UnaryRpcs[R]['request'],
    context: CallContext,
  ) => UnaryRpcs[R]['response'] | Promise<UnaryRpcs[R]['response']>;
};

/** One for each RPC whose answer is a stream, which ends by itself when the signal is aborted. */
export type StreamHandlers = {
  readonly [R in StreamedRpc]: (
    request: StreamedRpcs[R]['request'],
    signal: AbortSignal,
  ) => AsyncIterable<StreamedRpcs[R]['response']>;
};
