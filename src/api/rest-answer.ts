import type { FastifyReply } from 'fastify';
import type { InventoryError } from '../domain/errors.js';
import type { Timestamp } from '../gen/grpc/google/protobuf/timestamp.js';
import type { Stock } from '../gen/grpc/inventory/v1/inventory.js';
import { Source } from '../gen/grpc/inventory/v1/inventory.js';
import type {
  BatchGetResponse,
  GetResponse,
  ListResponse,
  SellResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import { ERROR_DOMAIN, ERROR_TABLE, wireMessage } from './errors.js';

/** What REST answers: the original system's envelope around the same facts as over gRPC. */

const text = { type: 'string' } as const;
const whole = { type: 'integer' } as const;
const flag = { type: 'boolean' } as const;

const KEY_FIELDS = { storeId: text, productId: text } as const;
const STOCK_FIELDS = {
  ...KEY_FIELDS,
  quantity: whole,
  oversold: whole,
  version: whole,
  lastUpdated: text,
} as const;
const FRESHNESS_FIELDS = { cached: flag, source: text, maxAgeMs: whole, stale: flag } as const;
const STOCK_LIST = { type: 'array', items: { type: 'object', properties: STOCK_FIELDS } } as const;

/** A JSON schema of the answer with this data; Fastify compiles it to a serializer. */
function answerSchema(data: object): object {
  const properties = {
    success: flag,
    message: text,
    data: { type: 'object', properties: data },
    timestamp: text,
  };
  return { response: { 200: { type: 'object', properties } } };
}

export const GET_SCHEMA = answerSchema({ ...STOCK_FIELDS, ...FRESHNESS_FIELDS });
export const MOVEMENT_SCHEMA = answerSchema({
  ...STOCK_FIELDS,
  quantityBefore: whole,
  eventId: text,
  cached: flag,
});
export const LIST_SCHEMA = answerSchema({ stocks: STOCK_LIST, nextPageToken: text, ...FRESHNESS_FIELDS });
export const BATCH_GET_SCHEMA = answerSchema({
  stocks: STOCK_LIST,
  missing: { type: 'array', items: { type: 'object', properties: KEY_FIELDS } },
  ...FRESHNESS_FIELDS,
});

/** The answer that is wanted most; spreading two objects into one would cost more than all else here. */
export function getAnswer({ stock, source, cached, maxAgeMs, stale }: GetResponse): object {
  const { storeId, productId, quantity, oversold, version, updateTime } = stock!;
  return readAnswer(cached, {
    storeId,
    productId,
    quantity,
    oversold,
    version,
    lastUpdated: formatTime(updateTime!),
    cached,
    source: Source[source],
    maxAgeMs,
    stale,
  });
}

export function listAnswer(response: ListResponse): object {
  const { stocks, nextPageToken } = response;
  return readAnswer(response.cached, {
    stocks: stocks.map(stockData),
    nextPageToken,
    ...freshnessData(response),
  });
}

export function batchGetAnswer(response: BatchGetResponse): object {
  const { stocks, missing } = response;
  return readAnswer(response.cached, { stocks: stocks.map(stockData), missing, ...freshnessData(response) });
}

/** Whether it was a replay stands in a header, so that the data of a replay is that of the first answer. */
export function movementAnswer(message: string, { stock, quantityBefore, eventId }: SellResponse): object {
  const data = { ...stockData(stock!), quantityBefore, eventId, cached: false };
  return { success: true, message, data, timestamp: nowText() };
}

/** Sends the error with its status, and says when to try again where that helps. */
export function sendError(reply: FastifyReply, error: InventoryError, httpStatus?: number): FastifyReply {
  const { code, httpStatus: usual } = ERROR_TABLE[error.reason];
  if (code === 'UNAVAILABLE' || error.retryDelayMs !== undefined) {
    reply.header('Retry-After', Math.max(1, Math.ceil((error.retryDelayMs ?? 0) / 1000)));
  }
  if (error.metadata.replayed === 'true') reply.header('Idempotent-Replayed', 'true');
  return reply
    .code(httpStatus ?? usual)
    .type('application/json; charset=utf-8')
    .send(errorAnswer(error));
}

function errorAnswer(error: InventoryError): string {
  const { reason, metadata, violations } = error;
  return JSON.stringify({
    success: false,
    message: wireMessage(error),
    error: { reason, domain: ERROR_DOMAIN, metadata, fieldViolations: violations },
    timestamp: nowText(),
  });
}

function readAnswer(cached: boolean, data: object): object {
  const message = cached ? 'Retrieved from cache' : 'Retrieved from database';
  return { success: true, message, data, timestamp: nowText() };
}

function stockData({ storeId, productId, quantity, oversold, version, updateTime }: Stock): object {
  return { storeId, productId, quantity, oversold, version, lastUpdated: formatTime(updateTime!) };
}

function freshnessData(response: Pick<GetResponse, 'source' | 'cached' | 'maxAgeMs' | 'stale'>): object {
  const { source, cached, maxAgeMs, stale } = response;
  return { source: Source[source], cached, maxAgeMs, stale };
}

let lastNowMs = 0;
let lastNowText = '';

/** The present in RFC 3339, made once per millisecond. */
function nowText(): string {
  const nowMs = Date.now();
  if (nowMs !== lastNowMs) {
    lastNowMs = nowMs;
    lastNowText = new Date(nowMs).toISOString();
  }
  return lastNowText;
}

/** RFC 3339 in UTC with microseconds, as the database keeps them. */
export function formatTime({ seconds, nanos }: Timestamp): string {
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z`;
}
