import { type FieldViolation, InventoryError } from '../domain/errors.js';
import type { ListEventsRequest, ListRequest } from '../gen/grpc/inventory/v1/inventory_service.js';

/** For tests: requests to which nothing but the changes is given, and what is found wrong with them. */

export const EVENT_ID = '0190163d-8694-739b-aea5-966c26f8ad91';

export const list = (changes: Partial<ListRequest> = {}): ListRequest => ({
  storeId: 'STORE_001',
  productId: '',
  pageSize: 0,
  pageToken: '',
  consistency: 0,
  ...changes,
});

export const events = (changes: Partial<ListEventsRequest> = {}): ListEventsRequest => ({
  storeId: 'STORE_001',
  productId: '',
  eventId: '',
  type: 0,
  status: 0,
  origin: 0,
  actor: '',
  startTime: undefined,
  endTime: undefined,
  descending: false,
  pageSize: 0,
  pageToken: '',
  consistency: 0,
  ...changes,
});

/** What is wrong, as field: description. */
export function problems(validate: () => unknown): Record<string, string> {
  try {
    validate();
  } catch (error) {
    if (error instanceof InventoryError && error.reason === 'INVALID_FIELD') return byField(error.violations);
    throw error;
  }
  return {};
}
const byField = (violations: readonly FieldViolation[]) =>
  Object.fromEntries(violations.map(({ field, description }) => [field, description]));
