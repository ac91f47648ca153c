import type { StockChange as Change, PriorEvent, RecordedEvent, StockRow } from '../domain/types.js';
import { oversoldOf, quantityOf } from '../domain/types.js';
import type { DueChange } from '../feed/pending-changes.js';
import type { WatchBatch } from '../feed/watch.js';
import type { Timestamp } from '../gen/grpc/google/protobuf/timestamp.js';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import type { Event, Stock } from '../gen/grpc/inventory/v1/inventory.js';
import { Effect, EventStatus, OperationType, Origin, Source } from '../gen/grpc/inventory/v1/inventory.js';
import type { GetResponse, StockChange, WatchResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Freshness } from '../reads/freshness.js';
import type { StockAnswer } from '../reads/read-path.js';

import type { WatchCursors } from './watch-cursor.js';

/** Microseconds since 1970 as a protobuf Timestamp. */
export function toTimestamp(timeUs: number): Timestamp {
  const seconds = Math.floor(timeUs / 1e6);
  return { seconds: BigInt(seconds), nanos: (timeUs - seconds * 1e6) * 1000 };
}

/** A stock as callers see it: on hand and oversold instead of the signed net. */
export function toStock({ storeId, productId, net, version, createTimeUs, updateTimeUs }: StockRow): Stock {
  return {
    storeId,
    productId,
    quantity: quantityOf(net),
    oversold: oversoldOf(net),
    version,
    createTime: toTimestamp(createTimeUs),
    updateTime: toTimestamp(updateTimeUs),
  };
}

/** One stock and how fresh it is. The answer that is wanted most: to spread objects into one would cost more than all else. */
export function toGetResponse({ stock, source, cached, maxAgeMs, stale }: StockAnswer): GetResponse {
  return { stock: toStock(stock), source: Source[source], cached, maxAgeMs, stale };
}

/** The stock as the event left it, so that a replay answers what the first answer said. */
export function stockAfter(event: PriorEvent, createTimeUs: number): Stock {
  const { storeId, productId, netAfter: net, version, recordedTimeUs: updateTimeUs } = event;
  return toStock({ storeId, productId, net, version, createTimeUs, updateTimeUs });
}

/** An event as callers see it. */
export function toEvent(event: RecordedEvent): Event {
  const { netBefore, netAfter, occurredTimeUs, effectiveTimeUs, recordedTimeUs, metadata, ...same } = event;
  return {
    ...same,
    type: OperationType[event.type],
    status: EventStatus[event.status],
    effect: Effect[event.effect],
    reason: ErrorReason[event.reason ?? 'UNSPECIFIED'],
    quantityBefore: quantityOf(netBefore),
    oversoldBefore: oversoldOf(netBefore),
    quantityAfter: quantityOf(netAfter),
    oversoldAfter: oversoldOf(netAfter),
    occurredTime: toTimestamp(occurredTimeUs),
    effectiveTime: toTimestamp(effectiveTimeUs),
    recordedTime: toTimestamp(recordedTimeUs),
    origin: Origin[event.origin],
    metadata: { ...metadata },
    operationReason: event.operationReason ?? '',
  };
}

/** The stock as a change left it, without its `create_time`: a change does not alter it. */
export function changedStock(change: Change): Stock {
  const { storeId, productId, netAfter, version, recordedTimeUs } = change;
  return {
    storeId,
    productId,
    quantity: quantityOf(netAfter),
    oversold: oversoldOf(netAfter),
    version,
    createTime: undefined,
    updateTime: toTimestamp(recordedTimeUs),
  };
}

/** A change as callers see it. */
function toStockChange({ change, skippedVersions }: DueChange): StockChange {
  const { eventId, requestedDelta, appliedDelta } = change;
  const stock = changedStock(change);
  return {
    stock,
    eventId,
    type: OperationType[change.type],
    effect: Effect[change.effect],
    requestedDelta,
    appliedDelta,
    actor: change.actor,
    origin: Origin[change.origin],
    occurredTime: toTimestamp(change.occurredTimeUs),
    recordedTime: stock.updateTime,
    skippedVersions: BigInt(skippedVersions),
  };
}

/** What is sent at once to who watches. */
export function toWatchResponse(batch: WatchBatch, cursors: WatchCursors): WatchResponse {
  const { stocks, changes, mark, snapshotComplete } = batch;
  return {
    stocks: stocks.map(toStock),
    changes: changes.map(toStockChange),
    cursor: mark === undefined ? '' : cursors.encode(mark.cursor),
    watermark: mark?.watermarkUs === undefined ? undefined : toTimestamp(mark.watermarkUs),
    snapshotComplete,
  };
}

/** How fresh an answer is, as the fields that every answer to a read has. */
export function toFreshness({ source, cached, maxAgeMs, stale }: Freshness): {
  source: Source;
  cached: boolean;
  maxAgeMs: number;
  stale: boolean;
} {
  return { source: Source[source], cached, maxAgeMs, stale };
}
