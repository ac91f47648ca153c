import { v7 as newEventId } from 'uuid';
import {
  BatchMode,
  Consistency,
  EventStatus,
  type Operation,
  OperationType,
  Origin,
  type Stock,
  type StockKey,
} from './gen/inventory/v1/inventory.js';
import type {
  ApplyRequest,
  BatchGetRequest,
  GetRequest,
  GetResponse,
  ListEventsRequest,
  ListRequest,
  SellRequest,
  SellResponse,
} from './gen/inventory/v1/inventory_service.js';

/** What a caller has to say, and what it may leave to the defaults of the contract. */
type Wanted<Message, Needed extends keyof Message> = Readonly<Pick<Message, Needed> & Partial<Message>>;

export type Get = Wanted<GetRequest, 'storeId' | 'productId'>;
export type BatchGet = { readonly keys: readonly StockKey[] } & Readonly<
  Partial<Omit<BatchGetRequest, 'keys'>>
>;
/** The stocks of a store, of a product in all stores, or the one of both. */
export type List = Readonly<Partial<ListRequest>>;
/** A sale or a restock. Where no event id is given, the client makes one before the first try, and keeps it. */
export type Change = Wanted<SellRequest, 'storeId' | 'productId'> & { readonly quantity: number };
export type ListEvents = Wanted<ListEventsRequest, 'storeId'>;
/** One operation of a batch. Where no event id is given, the client makes one before the first try, and keeps it. */
export type BatchOperation = Wanted<Operation, 'productId' | 'type'> & { readonly quantity: number };

export interface Apply {
  readonly storeId: string;
  /** 1 to 1,000. */
  readonly operations: readonly BatchOperation[];
  /** ATOMIC where nothing is said. */
  readonly mode?: BatchMode;
}

/** An answer that always has a stock. */
export type WithStock<Response> = Omit<Response, 'stock'> & { stock: Stock };
export type Read = WithStock<GetResponse>;
export type Changed = WithStock<SellResponse>;

export const getRequest = (wanted: Get): GetRequest => ({
  consistency: Consistency.UNSPECIFIED,
  minVersion: 0n,
  ...wanted,
});

export const batchGetRequest = ({ keys, ...wanted }: BatchGet): BatchGetRequest => ({
  consistency: Consistency.UNSPECIFIED,
  ...wanted,
  keys: [...keys],
});

export const listRequest = (wanted: List): ListRequest => ({
  storeId: '',
  productId: '',
  pageSize: 0,
  pageToken: '',
  consistency: Consistency.UNSPECIFIED,
  ...wanted,
});

export const changeRequest = (wanted: Change): SellRequest => ({
  metadata: {},
  ...wanted,
  eventId: wanted.eventId || newEventId(),
});

export const operationOf = (wanted: BatchOperation): Operation => ({
  reason: '',
  metadata: {},
  ...wanted,
  eventId: wanted.eventId || newEventId(),
});

export const applyRequest = ({ storeId, operations, mode = BatchMode.UNSPECIFIED }: Apply): ApplyRequest => ({
  storeId,
  operations: operations.map(operationOf),
  mode,
});

export const listEventsRequest = (wanted: ListEvents): ListEventsRequest => ({
  productId: '',
  eventId: '',
  type: OperationType.UNSPECIFIED,
  status: EventStatus.UNSPECIFIED,
  origin: Origin.UNSPECIFIED,
  actor: '',
  descending: false,
  pageSize: 0,
  pageToken: '',
  consistency: Consistency.UNSPECIFIED,
  ...wanted,
});
