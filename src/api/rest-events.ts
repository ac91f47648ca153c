import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import type { Event } from '../gen/grpc/inventory/v1/inventory.js';
import {
  Consistency,
  Effect,
  EventStatus,
  OperationType,
  Origin,
} from '../gen/grpc/inventory/v1/inventory.js';
import type { ListEventsRequest, ListEventsResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import { freshnessData, readAnswer } from './rest-answer.js';
import { RestFields } from './rest-fields.js';
import { formatTime } from './rest-time.js';
import { validateListEvents } from './validate.js';

/** GET /api/v1/inventory/events: the history. */

const QUERY_FIELDS = [
  'storeId',
  'productId',
  'eventId',
  'type',
  'status',
  'origin',
  'actor',
  'startTime',
  'endTime',
  'descending',
  'pageSize',
  'pageToken',
  'consistency',
];

/** @throws InventoryError INVALID_FIELD. */
export function readListEvents(query: unknown): ListEventsRequest {
  const fields = new RestFields(query, QUERY_FIELDS);
  const request: ListEventsRequest = {
    storeId: fields.text('storeId'),
    productId: fields.text('productId'),
    eventId: fields.text('eventId'),
    type: fields.choice('type', OperationType),
    status: fields.choice('status', EventStatus),
    origin: fields.choice('origin', Origin),
    actor: fields.text('actor'),
    startTime: fields.time('startTime'),
    endTime: fields.time('endTime'),
    descending: fields.flag('descending'),
    pageSize: fields.pageSize(),
    pageToken: fields.text('pageToken'),
    consistency: fields.choice('consistency', Consistency),
  };
  fields.throwIfAny(() => validateListEvents(request));
  return request;
}

export function eventsAnswer(response: ListEventsResponse): object {
  const { events, nextPageToken } = response;
  return readAnswer(response.cached, {
    events: events.map(eventData),
    nextPageToken,
    ...freshnessData(response),
  });
}

/** The event with names for its numbers; a reason only where it has one. */
function eventData(event: Event): object {
  const { type, status, effect, reason, origin, occurredTime, effectiveTime, recordedTime } = event;
  return {
    ...event,
    type: OperationType[type],
    status: EventStatus[status],
    effect: Effect[effect],
    reason: reason === ErrorReason.UNSPECIFIED ? undefined : ErrorReason[reason],
    origin: Origin[origin],
    occurredTime: formatTime(occurredTime!),
    effectiveTime: formatTime(effectiveTime!),
    recordedTime: formatTime(recordedTime!),
  };
}
