/** The generated contract, made from proto/ by `npm run generate`. The one place that knows where it stands. */
export {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../../../src/gen/connect/google/rpc/error_details_pb.js';
export { ErrorReason } from '../../../src/gen/connect/inventory/v1/error_reason_pb.js';
export type { Event, Stock, StockKey } from '../../../src/gen/connect/inventory/v1/inventory_pb.js';
export {
  Consistency,
  Effect,
  EventStatus,
  OperationType,
  Origin,
  Source,
  StockSchema,
} from '../../../src/gen/connect/inventory/v1/inventory_pb.js';
export type {
  GetResponse,
  ListEventsResponse,
  ListResponse,
  RestockResponse,
  SellResponse,
  StockChange,
  WatchResponse,
} from '../../../src/gen/connect/inventory/v1/inventory_service_pb.js';
export {
  InventoryService,
  StockChangeSchema,
  WatchResponseSchema,
} from '../../../src/gen/connect/inventory/v1/inventory_service_pb.js';
