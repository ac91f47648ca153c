import { type ErrorReason, InventoryError } from '../domain/errors.js';
import { invalidFields, malformedMessage, messageTooLarge } from './errors.js';
import { errorBody } from './rest-error.js';

/** What the OpenAPI document shows as examples. A test validates them by their schemas. */

const TIME = '2026-11-23T09:04:33.788Z';
const EVENT_ID = '6f1b1c1e-6f0a-4d52-8d7b-0d3c5c1f2a10';
const KEY = { storeId: 'STORE_001', productId: 'PROD_0001' };
const STOCK = { ...KEY, quantity: 100, oversold: 0, version: 1, lastUpdated: '2026-11-23T09:03:12.114093Z' };
const SOLD = { ...STOCK, quantity: 95, version: 2, lastUpdated: '2026-11-23T09:04:33.780508Z' };
const RESTOCKED = { ...STOCK, quantity: 195, version: 3, lastUpdated: '2026-11-23T09:05:01.402771Z' };
const FRESHNESS = { cached: false, source: 'REPLICA', maxAgeMs: 84, stale: false };
const EVENT = {
  ...KEY,
  eventId: EVENT_ID,
  type: 'SALE',
  status: 'SUCCESS',
  effect: 'APPLIED',
  requestedDelta: -5,
  appliedDelta: -5,
  quantityBefore: 100,
  oversoldBefore: 0,
  quantityAfter: 95,
  oversoldAfter: 0,
  version: 2,
  occurredTime: SOLD.lastUpdated,
  effectiveTime: SOLD.lastUpdated,
  recordedTime: SOLD.lastUpdated,
  actor: 'anonymous',
  origin: 'REST',
  metadata: { till: '3' },
  operationReason: '',
  syncEpoch: 0,
  syncSequence: 0,
};

const answer = (message: string, data: object, beside: object = {}) => ({
  value: { success: true, message, data, ...beside, timestamp: TIME },
});
const read = (data: object) => ({
  database: answer('Retrieved from database', { ...data, ...FRESHNESS }),
});
const changed = { oversold: 0, status: 'SUCCESS', effect: 'APPLIED', replayed: false };
const results = [
  { ...SOLD, ...changed, quantityBefore: 100, eventId: EVENT_ID },
  {
    ...RESTOCKED,
    ...changed,
    productId: 'PROD_0002',
    quantityBefore: 145,
    eventId: 'b8c4d5e6-f7a8-9012-3456-789abcdef012',
  },
];

/** By operation, and by name. */
export const ANSWER_EXAMPLES: Readonly<Record<string, Readonly<Record<string, { value: object }>>>> = {
  getStock: {
    ...read(STOCK),
    cache: answer('Retrieved from cache', {
      ...STOCK,
      cached: true,
      source: 'LOCAL_CACHE',
      maxAgeMs: 112,
      stale: false,
    }),
  },
  batchGetStocks: read({ stocks: [STOCK], missing: [{ ...KEY, productId: 'PROD_9999' }] }),
  listStocksOfStore: read({ stocks: [STOCK], nextPageToken: '' }),
  listStocksOfProduct: read({ stocks: [STOCK], nextPageToken: '' }),
  listEvents: read({ events: [EVENT], nextPageToken: '' }),
  watch: {
    snapshot: { value: { stocks: [STOCK], complete: true, watermark: TIME } },
    change: {
      value: {
        ...SOLD,
        ...{ eventId: EVENT_ID, type: 'SALE', effect: 'APPLIED', requestedDelta: -5, appliedDelta: -5 },
        ...{ actor: 'anonymous', origin: 'REST', occurredTime: SOLD.lastUpdated },
        ...{ recordedTime: SOLD.lastUpdated, skippedVersions: 0 },
      },
    },
    heartbeat: { value: { watermark: TIME } },
  },
  sell: {
    sold: answer('Sale processed successfully', {
      ...SOLD,
      quantityBefore: 100,
      eventId: EVENT_ID,
      cached: false,
    }),
  },
  restock: {
    restocked: answer('Restock processed successfully', {
      ...RESTOCKED,
      quantityBefore: 95,
      eventId: 'b8c4d5e6-f7a8-9012-3456-789abcdef012',
      cached: false,
    }),
  },
  sync: {
    applied: answer(
      'Batch completed - Success: 2, Failed: 0',
      { results },
      { successCount: 2, failureCount: 0, errors: [] },
    ),
  },
};

const ERRORS: Partial<Record<ErrorReason, InventoryError>> = {
  INVALID_FIELD: invalidFields([{ field: 'quantity', description: 'Quantity must be at least 1' }]),
  MALFORMED_MESSAGE: malformedMessage('The body', 'it is not valid JSON'),
  MESSAGE_TOO_LARGE: messageTooLarge(),
  INSUFFICIENT_STOCK: new InventoryError(
    'INSUFFICIENT_STOCK',
    'Insufficient stock. Available: 2, Requested: 5',
    {
      metadata: { available: '2', requested: '5', version: '7', event_id: EVENT_ID, replayed: 'false' },
    },
  ),
  BATCH_REFUSED: new InventoryError('BATCH_REFUSED', 'Batch completed - Success: 0, Failed: 2'),
  VERSION_NOT_REACHED: new InventoryError(
    'VERSION_NOT_REACHED',
    'The stock is at version 7; version 8 is not reached',
    { metadata: { version: '7' } },
  ),
  OUTCOME_UNKNOWN: new InventoryError('OUTCOME_UNKNOWN', 'Ask again with the same event id', {
    metadata: { event_id: EVENT_ID },
  }),
};

/** An error of this reason, as it is answered with this status. */
export function errorExample(reason: ErrorReason, status: number): object {
  const error = ERRORS[reason] ?? new InventoryError(reason, reason);
  return { ...errorBody(error, status), timestamp: TIME };
}
