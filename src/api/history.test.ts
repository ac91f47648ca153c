import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import type { Event } from '../gen/grpc/inventory/v1/inventory.js';
import { ListEventsRequest } from '../gen/grpc/inventory/v1/inventory_service.js';
import { Callers } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;
let callers: Callers;

beforeAll(async () => {
  started = await startTestApi();
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterAll(async () => {
  callers.grpc.close();
  await started.stop();
});

/** From the primary, so that nothing that was just written is missing. */
const request = (changes: Partial<ListEventsRequest>): ListEventsRequest => ({
  ...ListEventsRequest.decode(new Uint8Array()),
  consistency: 1,
  ...changes,
});
const overGrpc = (changes: Partial<ListEventsRequest>) =>
  callers.overGrpc('ListEvents', request(changes)) as Promise<Record<string, unknown> & { events: Event[] }>;

describe('ListEvents', () => {
  test('tells what was sold and what was refused, over gRPC and Connect', async () => {
    const { productId } = await callers.stockOf(10);
    const storeId = `S-${randomUUID()}`;
    const key = { storeId, productId };
    await callers.overRest('/restock', { ...key, quantity: 10 });
    const sold = randomUUID();
    const refused = randomUUID();
    const sale = { ...key, quantity: 4, eventId: sold, metadata: { till: '4' } };
    await callers.overGrpc('Sell', {
      ...sale,
      occurredTime: { seconds: 1_700_000_000n, nanos: 123_456_789 },
    });
    await callers.overConnect('Sell', { ...key, quantity: 7, eventId: refused });
    await callers.overConnect('Sell', { ...key, quantity: 8, eventId: refused }); // EVENT_ID_REUSED: no event
    await callers.overConnect('Sell', { ...key, productId: 'none', quantity: 1 }); // STOCK_NOT_FOUND: no event

    const answer = await overGrpc({ storeId });
    expect(answer).toMatchObject({ nextPageToken: '', source: 4, cached: false, stale: false });
    const [restock, accepted, failed, ...more] = answer.events;
    expect(more).toEqual([]);
    expect(restock).toMatchObject({ type: 2, origin: 3, quantityBefore: 0, quantityAfter: 10, version: 1n });
    expect(accepted).toEqual({
      ...{ storeId, productId, eventId: sold, type: 1, status: 1, effect: 1, reason: 0 },
      ...{ requestedDelta: -4, appliedDelta: -4, version: 2n },
      ...{ quantityBefore: 10, oversoldBefore: 0, quantityAfter: 6, oversoldAfter: 0 },
      ...{ actor: 'anonymous', origin: 1, metadata: { till: '4' }, operationReason: '' },
      ...{ syncEpoch: 0n, syncSequence: 0n },
      occurredTime: { seconds: 1_700_000_000n, nanos: 123_456_000 },
      effectiveTime: accepted!.recordedTime,
      recordedTime: { seconds: expect.any(BigInt), nanos: expect.any(Number) },
    });
    expect(failed).toMatchObject({
      ...{ eventId: refused, type: 1, status: 2, effect: 4, reason: 5, origin: 2 },
      ...{ requestedDelta: -7, appliedDelta: 0, quantityBefore: 6, quantityAfter: 6, version: 2n },
    });

    const filter = { storeId, consistency: 'CONSISTENCY_STRONG' };
    expect(
      await callers.overConnect('ListEvents', { ...filter, status: 'EVENT_STATUS_FAILED' }),
    ).toMatchObject({
      ...{ status: 200, nextPageToken: '', source: 'SOURCE_PRIMARY', stale: false },
      events: [{ eventId: refused, reason: 'ERROR_REASON_INSUFFICIENT_STOCK', effect: 'EFFECT_REFUSED' }],
    });
    const message = encodeURIComponent(JSON.stringify({ ...filter, eventId: sold }));
    const url = `${started.httpUrl}/inventory.v1.InventoryService/ListEvents?encoding=json&message=${message}`;
    expect(await (await fetch(url)).json()).toMatchObject({ events: [{ eventId: sold, version: '2' }] });
  });

  test('shows what was oversold as on hand and oversold, and where a Sync event came from', async () => {
    const storeId = `S-${randomUUID()}`;
    const eventId = randomUUID();
    await withConnection(started.databaseUrl, (client) =>
      client.query(
        `INSERT INTO event_log (store_id, event_id, product_id, type, status, effect, requested_delta, applied_delta,
           net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, metadata,
           fingerprint, operation_reason, sync_epoch, sync_sequence)
         VALUES ($1, $2, 'P', 'SALE', 'SUCCESS', 'OVERSOLD', -5, -5, 2, -3, 9, '2026-01-01T00:00:00.000001Z',
           '2026-01-02Z', '2026-01-03Z', 'till', 'SYNC', '{"__proto__": "x"}', '', 'as told', 7, 8)`,
        [storeId, eventId],
      ),
    );
    const day = 1_767_225_600n; // 2026-01-01
    expect((await overGrpc({ storeId })).events).toEqual([
      {
        ...{ storeId, eventId, productId: 'P', type: 1, status: 1, effect: 2, reason: 0 },
        ...{ requestedDelta: -5, appliedDelta: -5, version: 9n },
        ...{ quantityBefore: 2, oversoldBefore: 0, quantityAfter: 0, oversoldAfter: 3 },
        ...{ actor: 'till', origin: 4, operationReason: 'as told', syncEpoch: 7n, syncSequence: 8n },
        metadata: expect.anything(),
        occurredTime: { seconds: day, nanos: 1_000 },
        effectiveTime: { seconds: day + 86_400n, nanos: 0 },
        recordedTime: { seconds: day + 2n * 86_400n, nanos: 0 },
      },
    ]);
  });

  test('goes on from page to page over any transport, and only with the same filter and order', async () => {
    const storeId = `S-${randomUUID()}`;
    for (const quantity of [1, 2, 3])
      await callers.overRest('/restock', { storeId, productId: 'P', quantity });
    const first = await overGrpc({ storeId, productId: 'P', descending: true, pageSize: 2 });
    expect(first.events.map((event) => event.appliedDelta)).toEqual([3, 2]);
    const pageToken = first.nextPageToken as string;
    const rest = { storeId, productId: 'P', descending: true, pageToken };
    expect(await callers.overConnect('ListEvents', rest)).toMatchObject({
      events: [{ appliedDelta: 1 }],
      nextPageToken: '',
    });
    for (const other of [{ descending: false }, { productId: '' }, { status: 1 as const }]) {
      expect(await overGrpc({ ...rest, ...other })).toMatchObject({
        ...{ code: 'INVALID_ARGUMENT', reason: 'PAGE_TOKEN_INVALID' },
      });
    }
    expect(await callers.overConnect('ListEvents', { ...rest, pageToken: 'x' })).toMatchObject({
      ...{ status: 400, reason: 'PAGE_TOKEN_INVALID' },
    });
  });

  test('refuses what it does not understand', async () => {
    const wrong = { storeId: '', type: 9 as never, actor: '\0' };
    expect(await overGrpc(wrong)).toMatchObject({
      ...{ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' },
      message: expect.stringMatching(/^Store ID is required; Type must be .*; Actor must not contain/),
    });
    expect(await callers.overConnect('ListEvents', { storeId: 'S', type: 9 })).toMatchObject({
      ...{ status: 400, reason: 'INVALID_FIELD' },
    });
  });
});
