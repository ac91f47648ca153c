/**
 * The messages that the CLI sends and gets, in their proto3 JSON shape: lowerCamelCase names, int64 as strings, enums by
 * name, times as RFC 3339. They are written by hand, because this client knows the service by its .proto files alone.
 */
export interface Stock {
  readonly storeId: string;
  readonly productId: string;
  readonly quantity: number;
  readonly oversold: number;
  readonly version: string;
  readonly createTime: string;
  readonly updateTime: string;
}

/** What every answer of a read tells about its age. */
export interface Freshness {
  readonly source: string;
  readonly cached: boolean;
  readonly maxAgeMs: number;
  readonly stale: boolean;
}

export interface GetRequest {
  readonly storeId: string;
  readonly productId: string;
  readonly consistency: Consistency;
  readonly minVersion: string;
}

export interface GetResponse extends Freshness {
  readonly stock: Stock;
}

export type Consistency = 'CONSISTENCY_UNSPECIFIED' | 'CONSISTENCY_STRONG';

export interface BatchGetRequest {
  readonly keys: readonly { readonly storeId: string; readonly productId: string }[];
  readonly consistency: Consistency;
}

export interface BatchGetResponse extends Freshness {
  readonly stocks: readonly Stock[];
}

export interface ListRequest {
  readonly storeId: string;
  readonly productId: string;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly consistency: Consistency;
}

export interface ListResponse extends Freshness {
  readonly stocks: readonly Stock[];
  readonly nextPageToken: string;
}

/** As proto-loader takes it; in answers it is RFC 3339 text. */
export interface Timestamp {
  readonly seconds: string;
  readonly nanos: number;
}

export const OPERATION_TYPES = ['SALE', 'RESTOCK', 'RETURN', 'COUNT', 'WASTE'] as const;
export const EVENT_STATUSES = ['SUCCESS', 'FAILED'] as const;
export const ORIGINS = ['GRPC', 'CONNECT', 'REST', 'SYNC', 'SYSTEM'] as const;

/** The contract's name of an enum's value: `SALE` is `OPERATION_TYPE_SALE`; nothing is `OPERATION_TYPE_UNSPECIFIED`. */
export const enumName = (prefix: string, name = 'unspecified'): string => `${prefix}_${name.toUpperCase()}`;

/** The value's name without its prefix. */
export const shortName = (prefix: string, name: string): string => name.slice(prefix.length + 1);

export interface ListEventsRequest {
  readonly storeId: string;
  readonly productId: string;
  readonly eventId: string;
  readonly type: string;
  readonly status: string;
  readonly origin: string;
  readonly actor: string;
  readonly startTime?: Timestamp;
  readonly endTime?: Timestamp;
  readonly descending: boolean;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly consistency: Consistency;
}

export interface Event {
  readonly eventId: string;
  readonly productId: string;
  readonly type: string;
  readonly effect: string;
  readonly reason: string;
  readonly requestedDelta: number;
  readonly quantityBefore: number;
  readonly oversoldBefore: number;
  readonly quantityAfter: number;
  readonly oversoldAfter: number;
  readonly version: string;
  readonly recordedTime: string;
  readonly actor: string;
  readonly origin: string;
}

export interface ListEventsResponse extends Freshness {
  readonly events: readonly Event[];
  readonly nextPageToken: string;
}

/** Sell and Restock ask in the same words and answer in the same words. */
export interface ChangeRequest {
  readonly storeId: string;
  readonly productId: string;
  readonly quantity: number;
  readonly eventId: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ChangeResponse {
  readonly stock: Stock;
  readonly quantityBefore: number;
  readonly eventId: string;
  readonly replayed: boolean;
}

export interface Operation {
  readonly eventId: string;
  readonly productId: string;
  readonly type: string;
  readonly quantity: number;
  readonly occurredTime?: Timestamp;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface OperationResult {
  readonly status: string;
  readonly effect: string;
  /** With the prefix ERROR_REASON_. */
  readonly reason: string;
  readonly message: string;
  readonly replayed: boolean;
}

export interface ApplyRequest {
  readonly storeId: string;
  readonly operations: readonly Operation[];
  readonly mode: string;
}

export interface ApplyResponse {
  readonly results: readonly OperationResult[];
}

export interface WatchRequest {
  readonly storeId: string;
  readonly productIds: readonly string[];
  readonly cursor: string;
}

export interface StockChange {
  /** After the change; without `createTime`. */
  readonly stock: Omit<Stock, 'createTime'>;
  readonly eventId: string;
  readonly type: string;
  readonly effect: string;
  readonly requestedDelta: number;
  readonly appliedDelta: number;
  readonly actor: string;
  readonly origin: string;
  readonly occurredTime: string;
  readonly recordedTime: string;
  readonly skippedVersions: string;
}

export interface WatchResponse {
  readonly stocks: readonly Stock[];
  readonly cursor: string;
  readonly watermark?: string;
  readonly changes: readonly StockChange[];
  readonly snapshotComplete: boolean;
}

/** The RPCs that the CLI calls: request and response of each. */
export interface Calls {
  readonly Get: readonly [GetRequest, GetResponse];
  readonly BatchGet: readonly [BatchGetRequest, BatchGetResponse];
  readonly List: readonly [ListRequest, ListResponse];
  readonly ListEvents: readonly [ListEventsRequest, ListEventsResponse];
  readonly Apply: readonly [ApplyRequest, ApplyResponse];
  readonly Sell: readonly [ChangeRequest, ChangeResponse];
  readonly Restock: readonly [ChangeRequest, ChangeResponse];
}

/** Those whose answer is a stream. */
export interface Streams {
  readonly Watch: readonly [WatchRequest, WatchResponse];
}

/**
 * Turns what proto-loader decodes into proto3 JSON: a Timestamp becomes RFC 3339 text, a message that is not set is left
 * out. Everything else has its JSON shape already.
 */
export function toJsonShape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toJsonShape);
  if (typeof value !== 'object' || value === null) return value;
  if (isTimestamp(value)) return timestampText(value);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null && member !== undefined)
      .map(([name, member]) => [name, toJsonShape(member)]),
  );
}

/** A map of the caller's may have the same keys; its values are texts. */
function isTimestamp(value: object): value is Timestamp {
  const { seconds, nanos, ...more } = value as Partial<Timestamp>;
  return typeof seconds === 'string' && typeof nanos === 'number' && Object.keys(more).length === 0;
}

/** With 3, 6 or 9 digits, as many as are needed, and none for whole seconds. */
function timestampText({ seconds, nanos }: Timestamp): string {
  const whole = new Date(Number(seconds) * 1_000).toISOString().slice(0, -'.000Z'.length);
  if (nanos === 0) return `${whole}Z`;
  const digits = String(nanos).padStart(9, '0');
  return `${whole}.${digits.replace(/(000){1,2}$/, '')}Z`;
}
