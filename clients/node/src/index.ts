import { type ConnectOptions, Onhand } from './onhand.js';

/**
 * Connects to an inventory service. Nothing is sent before the first call, and the connection is made again by itself.
 *
 * @param address host:port, or any other name that gRPC knows (`dns:///…` for several processes)
 */
export const connect = (address: string, options: ConnectOptions = {}): Onhand =>
  new Onhand(address, options);

export type { BackoffOptions } from './backoff.js';
export type { LimitOptions } from './concurrency-limit.js';
export {
  CLIENT_REASONS,
  type MetadataByReason,
  type Reason,
  type Refusal,
  SERVICE_REASONS,
} from './error-reasons.js';
export type { Timestamp } from './gen/google/protobuf/timestamp.js';
export { ErrorReason } from './gen/inventory/v1/error_reason.js';
export {
  BatchMode,
  Consistency,
  Effect,
  type Event,
  EventStatus,
  type OperationResult,
  OperationType,
  Origin,
  Source,
  type Stock,
  type StockKey,
} from './gen/inventory/v1/inventory.js';
export type {
  ApplyResponse,
  BatchGetResponse,
  ListEventsResponse,
  ListResponse,
  StockChange,
} from './gen/inventory/v1/inventory_service.js';
export { type ConnectOptions, Onhand } from './onhand.js';
export { type ErrorOf, type FieldViolation, OnhandError } from './onhand-error.js';
export type {
  Apply,
  BatchGet,
  BatchOperation,
  Change,
  Changed,
  Get,
  List,
  ListEvents,
  Read,
} from './requests.js';
export type { LoggedOperation, StoreLog } from './store-log.js';
export type { Sync, SyncOptions } from './sync.js';
export type { SyncUpdate } from './sync-updates.js';
export { toDate, toTimestamp } from './timestamps.js';
export type { CallOptions } from './unary-calls.js';
export type { Watch, WatchOptions } from './watch.js';
export type { WatchUpdate } from './watch-updates.js';
