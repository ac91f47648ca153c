import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Callers } from './callers.js';
import { Conformance } from './conformance.js';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;
let callers: Callers;
const conformance = new Conformance();

beforeAll(async () => {
  started = await startTestApi({ corsOrigins: ['https://shop.example'] });
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterAll(async () => {
  callers?.grpc.close();
  await started?.stop();
});

interface SentEvent {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

/** Reads events as a browser does, until there are so many. Each must be as documented. `begun` is told of the first. */
async function readEvents(
  query: string,
  count: number,
  headers: Record<string, string> = {},
  begun: () => void = () => undefined,
) {
  const leaving = new AbortController();
  const response = await fetch(`${started.httpUrl}/api/v1/inventory/watch?${query}`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: leaving.signal,
  });
  const events: SentEvent[] = [];
  let hasBegun = false;
  let text = '';
  const decoder = new TextDecoder();
  const reader = response.body!.getReader();
  while (events.length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
      if (lines.has('event')) events.push(toEvent(lines));
    }
    if (events.length > 0 && !hasBegun) begun();
    hasBegun = events.length > 0;
  }
  leaving.abort();
  return { response, events };
}

function toEvent(lines: Map<string, string>): SentEvent {
  const event = lines.get('event') ?? '';
  const data = JSON.parse(lines.get('data') ?? '');
  const schema = event === 'error' ? 'Error' : 'WatchEvent';
  expect(conformance.problems(`#/components/schemas/${schema}`, data)).toEqual([]);
  return { event, id: lines.get('id') ?? '', data };
}

const newStore = () => `S-${randomUUID()}`;
const restock = (storeId: string, productId: string) =>
  callers.overGrpc('Restock', { storeId, productId, quantity: 10, eventId: '', metadata: {} });

test('a snapshot, then changes, and on from the last id', async () => {
  const storeId = newStore();
  // Watched, so that the feed has delivered it when the snapshot is read: else it comes again after the snapshot's id.
  await readEvents(`storeId=${storeId}`, 2, {}, () => void restock(storeId, 'P1'));
  const headers = { origin: 'https://shop.example' };
  const { response, events } = await readEvents(`storeId=${storeId}`, 1, headers);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('access-control-allow-origin')).toBe('https://shop.example');
  expect(response.headers.get('x-request-id')).not.toBeNull();
  expect(events).toMatchObject([
    {
      event: 'snapshot',
      data: { stocks: [{ storeId, productId: 'P1', quantity: 10, version: 1 }], complete: true },
    },
  ]);
  await restock(storeId, 'P1');
  await restock(storeId, 'P2');
  const after = { 'last-event-id': events[0]!.id };
  const resumed = await readEvents(`storeId=${storeId}&cursor=stale`, 3, after);
  expect(resumed.events).toMatchObject([
    {
      event: 'change',
      data: {
        storeId,
        productId: 'P1',
        quantity: 20,
        version: 2,
        type: 'RESTOCK',
        origin: 'GRPC',
        skippedVersions: 0,
      },
    },
    { event: 'change', data: { productId: 'P2', version: 1 } },
    { event: 'heartbeat' },
  ]);
  const { id } = resumed.events.at(-1)!;
  const again = await readEvents(`storeId=${storeId}&cursor=${id}`, 1);
  expect(again.events).toMatchObject([{ event: 'heartbeat' }]);
});

test('several products in all stores', async () => {
  const [storeId, one, other] = [newStore(), `P-${randomUUID()}`, `P-${randomUUID()}`];
  await restock(storeId, one);
  await restock(storeId, other);
  const { events } = await readEvents(`productId=${one}&productId=${other}`, 1);
  expect(events[0]?.data.stocks).toHaveLength(2);
});

test.each<[string, string, object]>([
  ['no filter', '', { storeId: 'Store ID or product IDs are required' }],
  ['an empty product', 'productId=a&productId=', { 'productId[1]': 'Product ID is required' }],
  ['two stores', 'storeId=a&storeId=b', { storeId: 'Store ID must be one string' }],
  [
    'too many products',
    Array.from({ length: 1_001 }, (_, n) => `productId=${n}`).join('&'),
    { productId: 'Product IDs must not exceed 1,000' },
  ],
  ['a cursor that is none', 'storeId=a&cursor=x', { cursor: 'Cursor must be one that this service gave' }],
  [
    'an unknown field',
    'storeId=a&products=b',
    { products: 'Unknown field; known are storeId, productId, cursor' },
  ],
])('%s is refused with a status, before anything is sent', async (_name, query, problems) => {
  const answer = await callers.overRest(`/watch?${query}`, undefined, { accept: 'text/event-stream' });
  expect(answer).toMatchObject({ status: 400, reason: 'INVALID_FIELD' });
  expect(Object.fromEntries(answer.fieldViolations!.map((each) => [each.field, each.description]))).toEqual(
    problems,
  );
});

test('a cursor that cannot be gone on from is gone', async () => {
  const storeId = newStore();
  const { events } = await readEvents(`storeId=${storeId}`, 1);
  const place = JSON.parse(Buffer.from(events[0]!.id.slice(22), 'base64url').toString());
  place[1] = 'another';
  const cursor = events[0]!.id.slice(0, 22) + Buffer.from(JSON.stringify(place)).toString('base64url');
  const headers = { accept: 'text/event-stream' };
  const answer = await callers.overRest(`/watch?storeId=${storeId}&cursor=${cursor}`, undefined, headers);
  expect(answer).toMatchObject({ status: 410, reason: 'RESYNC' });
});

test('who takes JSON only is told so; HEAD begins nothing', async () => {
  const url = `${started.httpUrl}/api/v1/inventory/watch?storeId=a`;
  const refused = await fetch(url, { headers: { accept: 'application/json' } });
  expect(refused.status).toBe(406);
  expect(await refused.json()).toMatchObject({ reason: 'INVALID_FIELD' });
  const head = await fetch(url, { method: 'HEAD' });
  expect(head.status).toBe(200);
});

test('a process that stops says so in a last event', async () => {
  let begun: () => void = () => undefined;
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const ending = readEvents(`storeId=${newStore()}`, 99, {}, begun);
  await beginning;
  await started.api.stop(5_000);
  const { events } = await ending;
  expect(events.at(-1)).toMatchObject({ event: 'error', data: { reason: 'SHUTTING_DOWN' } });
  expect(events.at(-2)?.id).not.toBe('');
});
