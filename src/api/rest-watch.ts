import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { InventoryError } from '../domain/errors.js';
import { Effect, OperationType, Origin } from '../gen/grpc/inventory/v1/inventory.js';
import type { StockChange, WatchRequest, WatchResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Calls } from './call.js';
import { toInventoryError } from './errors.js';
import { stockData } from './rest-answer.js';
import { errorBody } from './rest-error.js';
import { RestFields } from './rest-fields.js';
import { WATCH } from './rest-operations.js';
import { formatTime } from './rest-time.js';
import { validateWatch } from './validate-watch.js';

/** GET /api/v1/inventory/watch: changes as Server-Sent Events. */

/** After a lost connection browsers wait this long. */
const RETRY_MS = 1_000;
const QUERY_FIELDS = ['storeId', 'productId', 'cursor'];

export function addWatch(app: FastifyInstance, calls: Calls): void {
  app.get('/api/v1/inventory/watch', WATCH, async (request, reply) => {
    if (request.method === 'HEAD') return reply.type('text/event-stream').send();
    const leaving = new AbortController();
    reply.raw.on('close', () => leaving.abort());
    const decode = () => readWatch(request);
    const facts = { requestId: request.id, signal: leaving.signal };
    const messages = calls.stream('watch', 'REST', decode, facts);
    // Before the first message it can be refused with a status; afterwards only with an event.
    const first = await messages.next().catch((error: unknown) => {
      throw inRestNames(error);
    });
    return await sendEvents(reply, first, messages);
  });
}

/** @throws InventoryError INVALID_FIELD. */
function readWatch({ query, headers }: FastifyRequest): WatchRequest {
  const fields = new RestFields(query, QUERY_FIELDS);
  const lastEventId = headers['last-event-id'];
  const request: WatchRequest = {
    storeId: fields.text('storeId'),
    productIds: fields.repeatedText('productId'),
    // A browser that connects again sends the same query, and where it has come.
    cursor: typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : fields.text('cursor'),
  };
  fields.throwIfAny(() => validateWatch(request));
  return request;
}

/** In a query the products are one parameter that is repeated. */
function inRestNames(error: unknown): unknown {
  if (!(error instanceof InventoryError) || error.violations.length === 0) return error;
  const violations = error.violations.map((violation) => ({
    ...violation,
    field: violation.field.replace(/^productIds/, 'productId'),
  }));
  return new InventoryError(error.reason, error.message, { violations });
}

async function sendEvents(
  reply: FastifyReply,
  first: IteratorResult<WatchResponse>,
  messages: AsyncGenerator<WatchResponse>,
): Promise<void> {
  const { raw } = reply;
  // What the hooks have set, since Fastify does not send this answer.
  for (const [name, value] of Object.entries(reply.getHeaders())) raw.setHeader(name, value!);
  reply.hijack();
  raw.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // Proxies must not gather the events.
    'X-Accel-Buffering': 'no',
  });
  try {
    await write(raw, `retry: ${RETRY_MS}\n\n`);
    for (let each = first; each.done !== true; each = await messages.next()) {
      await write(raw, eventsOf(each.value));
    }
  } catch (error) {
    raw.write(eventOf('error', '', errorBody(toInventoryError(error))));
  }
  raw.end();
}

/** Waits until what was written is on its way, or nobody reads any more: so only one message waits here. */
async function write(raw: ServerResponse, text: string): Promise<void> {
  if (raw.destroyed || raw.write(text)) return;
  await new Promise<void>((resolve) => {
    const go = () => {
      raw.off('drain', go);
      raw.off('close', go);
      resolve();
    };
    raw.on('drain', go);
    raw.on('close', go);
  });
}

/** The last event of a message has its cursor: before it, not all of the message has been received. */
function eventsOf({ stocks, changes, cursor, watermark, snapshotComplete }: WatchResponse): string {
  const time = watermark === undefined ? undefined : formatTime(watermark);
  if (stocks.length > 0 || snapshotComplete) {
    const data = { stocks: stocks.map(stockData), complete: snapshotComplete, watermark: time };
    return eventOf('snapshot', cursor, data);
  }
  if (changes.length === 0) return eventOf('heartbeat', cursor, { watermark: time });
  const last = changes.length - 1;
  return changes.map((each, n) => eventOf('change', n === last ? cursor : '', changeData(each))).join('');
}

const eventOf = (event: string, id: string, data: object): string =>
  `event: ${event}\n${id === '' ? '' : `id: ${id}\n`}data: ${JSON.stringify(data, asRestDoes)}\n\n`;

/** Versions stay far below what a number can hold. */
const asRestDoes = (_name: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value);

function changeData({ stock, ...change }: StockChange): object {
  const { eventId, type, effect, requestedDelta, appliedDelta, actor, origin } = change;
  return {
    ...stockData(stock!),
    eventId,
    type: OperationType[type],
    effect: Effect[effect],
    requestedDelta,
    appliedDelta,
    actor,
    origin: Origin[origin],
    occurredTime: formatTime(change.occurredTime!),
    recordedTime: formatTime(change.recordedTime!),
    skippedVersions: change.skippedVersions,
  };
}
