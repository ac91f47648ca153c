import type { FastifyContextConfig, FastifySchema } from 'fastify';
import type { ErrorReason } from '../domain/errors.js';
import { named, type Schema } from './json-schemas.js';
import {
  BATCH_IDEMPOTENCY_HEADERS,
  CONDITIONAL_HEADERS,
  EVENTS_QUERY,
  GET_QUERY,
  IDEMPOTENCY_HEADERS,
  LIST_QUERY,
  PRODUCT_PATH,
  STORE_PATH,
  WATCH_HEADERS,
  WATCH_QUERY,
} from './rest-request-schemas.js';
import type { RpcKey, StreamedRpc, UnaryRpc } from './rpcs.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route serves, for the metrics of requests that fail before they reach it. */
    rpc?: RpcKey;
    /** The reasons for which this operation may be refused, for the OpenAPI document. */
    reasons?: readonly ErrorReason[];
    /** What it answers, where that is not JSON. */
    contentType?: 'text/event-stream';
  }
}

/** What a route is, beside its handler. */
export interface RestOperation {
  readonly schema: FastifySchema;
  readonly config: Pick<FastifyContextConfig, 'rpc' | 'reasons' | 'contentType'>;
}

interface Description {
  readonly rpc: UnaryRpc | StreamedRpc;
  readonly contentType?: 'text/event-stream';
  readonly operationId: string;
  readonly tag: 'Stocks' | 'Changes' | 'History';
  readonly summary: string;
  readonly description?: string;
  readonly answer: string;
  /** What status 400 has, where it is more than an error. */
  readonly refusal?: string;
  readonly reasons: readonly ErrorReason[];
  readonly body?: string;
  readonly params?: Schema;
  readonly querystring?: Schema;
  readonly headers?: Schema;
}

const ANY: readonly ErrorReason[] = [
  'INVALID_FIELD',
  'DEADLINE_EXCEEDED',
  'DATABASE_UNAVAILABLE',
  'QUEUE_FULL',
  'SHUTTING_DOWN',
  'INTERNAL',
];
const ANY_WITH_BODY: readonly ErrorReason[] = [...ANY, 'MALFORMED_MESSAGE', 'MESSAGE_TOO_LARGE'];
const ANY_CHANGE: readonly ErrorReason[] = [...ANY_WITH_BODY, 'OUTCOME_UNKNOWN'];

function operation({
  rpc,
  contentType,
  tag,
  answer,
  refusal,
  reasons,
  body,
  ...more
}: Description): RestOperation {
  const response = { 200: named(answer), ...(refusal === undefined ? {} : { 400: named(refusal) }) };
  const own = { ...more, tags: [tag], response };
  return {
    schema: body === undefined ? own : { ...own, body: named(body) },
    config: contentType === undefined ? { rpc, reasons } : { rpc, reasons, contentType },
  };
}

export const GET = operation({
  rpc: 'get',
  operationId: 'getStock',
  tag: 'Stocks',
  summary: 'Reads one stock',
  description: 'The version of the stock, with the time at which it came to be, is its `ETag`.',
  querystring: GET_QUERY,
  headers: CONDITIONAL_HEADERS,
  answer: 'StockAnswer',
  reasons: [...ANY, 'STOCK_NOT_FOUND', 'VERSION_NOT_REACHED'],
});

export const BATCH_GET = operation({
  rpc: 'batchGet',
  operationId: 'batchGetStocks',
  tag: 'Stocks',
  summary: 'Reads several stocks at once',
  body: 'BatchGetRequest',
  answer: 'StockBatchAnswer',
  reasons: ANY_WITH_BODY,
});

export const LIST_OF_STORE = operation({
  rpc: 'list',
  operationId: 'listStocksOfStore',
  tag: 'Stocks',
  summary: 'Lists the stocks of a store',
  description: 'A store that nobody knows has an empty list.',
  params: STORE_PATH,
  querystring: LIST_QUERY,
  answer: 'StockPageAnswer',
  reasons: [...ANY, 'PAGE_TOKEN_INVALID'],
});

export const LIST_OF_PRODUCT = operation({
  rpc: 'list',
  operationId: 'listStocksOfProduct',
  tag: 'Stocks',
  summary: 'Lists the stocks of a product in all stores',
  description: 'A product that nobody knows has an empty list.',
  params: PRODUCT_PATH,
  querystring: LIST_QUERY,
  answer: 'StockPageAnswer',
  reasons: [...ANY, 'PAGE_TOKEN_INVALID'],
});

export const LIST_EVENTS = operation({
  rpc: 'listEvents',
  operationId: 'listEvents',
  tag: 'History',
  summary: 'Lists what happened in a store',
  description:
    'By the time at which it was recorded. Commands that were refused are events too. A page may have fewer events than ' +
    'were asked for, even none: only an empty `nextPageToken` says that there are no more.',
  querystring: EVENTS_QUERY,
  answer: 'EventPageAnswer',
  reasons: [...ANY, 'PAGE_TOKEN_INVALID'],
});

export const WATCH = operation({
  rpc: 'watch',
  contentType: 'text/event-stream',
  operationId: 'watch',
  tag: 'Stocks',
  summary: 'Streams stocks and their changes as Server-Sent Events',
  description:
    'Of a store, of products, or of products in a store. First the stocks as they are (events `snapshot`, the last one with ' +
    '`complete`), then each change (`change`), a sign of life every 5 s without one (`heartbeat`), and `error` where the ' +
    'stream cannot go on. The id of an event is a cursor: with it as `Last-Event-ID`, which browsers send by themselves, or ' +
    'as `cursor` the stream goes on after that event, and gives changes only. A change may come again after that; its ' +
    '`version` tells. Where the cursor is too old the answer is 410: watch without one.',
  querystring: WATCH_QUERY,
  headers: WATCH_HEADERS,
  answer: 'WatchEvent',
  reasons: [...ANY, 'RESYNC'],
});

export const SELL = operation({
  rpc: 'sell',
  operationId: 'sell',
  tag: 'Changes',
  summary: 'Takes units from a stock, all of them or none',
  description:
    'A repeat of an event id gives the first outcome again, a refusal too, with `Idempotent-Replayed: true`, and changes ' +
    'nothing. The event id may stand in the body or in the header.',
  body: 'MovementRequest',
  headers: IDEMPOTENCY_HEADERS,
  answer: 'MovementAnswer',
  reasons: [...ANY_CHANGE, 'STOCK_NOT_FOUND', 'INSUFFICIENT_STOCK', 'STOCK_LIMIT', 'EVENT_ID_REUSED'],
});

export const RESTOCK = operation({
  rpc: 'restock',
  operationId: 'restock',
  tag: 'Changes',
  summary: 'Adds units to a stock, and makes the stock where there is none',
  description:
    'A repeat of an event id gives the first outcome again, with `Idempotent-Replayed: true`, and changes nothing. The ' +
    'event id may stand in the body or in the header.',
  body: 'MovementRequest',
  headers: IDEMPOTENCY_HEADERS,
  answer: 'MovementAnswer',
  reasons: [...ANY_CHANGE, 'STOCK_LIMIT', 'EVENT_ID_REUSED'],
});

export const SYNC = operation({
  rpc: 'apply',
  operationId: 'sync',
  tag: 'Changes',
  summary: 'Applies a batch of operations of one store in one transaction',
  description:
    'Operations are judged in their order, each seeing those before it. Where one of an ATOMIC batch is refused, none takes ' +
    'effect and the answer is 400; of an INDEPENDENT one the answer is 200, with `success` false.',
  body: 'SyncRequest',
  headers: BATCH_IDEMPOTENCY_HEADERS,
  answer: 'SyncAnswer',
  refusal: 'SyncError',
  reasons: [...ANY_CHANGE, 'BATCH_REFUSED'],
});
