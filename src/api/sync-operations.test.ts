import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { v5 as uuidV5 } from 'uuid';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { BatchMode, Effect, type OperationType } from '../gen/grpc/inventory/v1/inventory.js';
import { newStore, SyncScene } from './sync-scene.js';
import { operation, Syncing, sale } from './syncing.js';

let scene: SyncScene;

beforeAll(async () => {
  scene = await SyncScene.start();
});

afterAll(async () => {
  await scene?.stop();
});

const reasonsOf = (syncing: Syncing) =>
  syncing.results.map(({ reason }) => ErrorReason[reason] ?? String(reason));

describe('operations', () => {
  test('one bad quantity among 500 is reported, the others are applied', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    const operations = Array.from({ length: 500 }, (_, index) =>
      sale(index === 77 ? -5 : 1, `P${index % 7}`),
    );
    const ack = await stream.acknowledged(1, operations);
    const refused = ack!.results.flatMap(({ reason, message }, index) =>
      reason === ErrorReason.UNSPECIFIED ? [] : [[index, ErrorReason[reason], message]],
    );
    expect(refused).toEqual([[77, 'INVALID_FIELD', 'Quantity must be at least 1']]);
    expect(await scene.eventsOf(storeId)).toHaveLength(499);
    await stream.finish();
  });

  test('each kind of bad operation has its reason; the message is taken', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    const at = (seconds: bigint) => ({ ...sale(1), occurredTime: { seconds, nanos: 0 } });
    const operations = [
      sale(1, ''),
      sale(1, 'P', 'not a uuid'),
      sale(1, 'P', ''),
      { ...sale(1), type: 77 as OperationType },
      operation('COUNT', -1),
      at(-62_135_596_800n),
      at(253_402_300_799n),
    ];
    await stream.acknowledged(1, operations);
    expect(stream.results.map(({ message }) => message)).toEqual([
      'Product ID is required',
      'Event ID must be a UUID, such as 01976f3e-7c1a-7d35-9d5b-6a7f4f3b2c10',
      'Event ID is required',
      'Type must be SALE, RESTOCK, RETURN, COUNT or WASTE',
      'Quantity must be at least 0',
      'Occurred time must not be before 2000-01-01',
      '',
    ]);
    expect(await stream.acknowledged(2, [sale(-1)])).toMatchObject({ ackedSequence: 2n });
    expect(await stream.acknowledged(2, [sale(-1)])).toMatchObject({ ackedSequence: 2n, replayed: true });
    expect(await scene.eventsOf(storeId)).toHaveLength(1);
    await stream.finish();
  });

  test('what was refused online is recorded under an id of its own, once', async () => {
    const storeId = newStore();
    await scene.restock(storeId, 1);
    const eventId = randomUUID();
    expect(await scene.sell(storeId, 5, eventId)).toMatchObject({ reason: 'INSUFFICIENT_STOCK' });
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.acknowledged(1, [sale(5, 'P', eventId), sale(5, 'P', eventId), sale(4, 'P', eventId)]);
    await stream.acknowledged(1, [sale(5, 'P', eventId)]);
    expect(stream.results.map(({ eventId: id, effect, replayed }) => [id, effect, replayed])).toEqual([
      [eventId, Effect.OVERSOLD, false],
      [eventId, Effect.OVERSOLD, true],
      [eventId, Effect.REFUSED, false],
      [eventId, Effect.OVERSOLD, true],
    ]);
    expect(reasonsOf(stream)[2]).toBe('EVENT_ID_REUSED');
    const events = await scene.eventsOf(storeId);
    expect(events.map((each) => [each.event_id, each.origin, each.effect])).toEqual([
      [events[0].event_id, 'GRPC', 'APPLIED'],
      [eventId, 'GRPC', 'REFUSED'],
      [uuidV5('sync', eventId), 'SYNC', 'OVERSOLD'],
    ]);
    expect(await scene.sell(storeId, 5, eventId)).toMatchObject({ reason: 'INSUFFICIENT_STOCK' });
    expect(await scene.quantityOf(storeId)).toBe(-4);
    await stream.finish();
  });

  test('a repeat of ids that left no event is no fork', async () => {
    const storeId = newStore();
    await scene.restock(storeId, 9);
    const eventId = randomUUID();
    await scene.sell(storeId, 1, eventId);
    const stream = await Syncing.open(scene.callers, storeId);
    const operations = [sale(2, 'P', eventId), sale(undefined), sale(3)];
    await stream.acknowledged(1, operations);
    await stream.acknowledged(1, operations);
    const once = ['EVENT_ID_REUSED', 'INVALID_FIELD', 'UNSPECIFIED'];
    expect(reasonsOf(stream)).toEqual([...once, ...once]);
    expect(await scene.quantityOf(storeId)).toBe(5);
    await stream.finish();
  });

  test('ATOMIC: a bad one refuses all, and the limit of a stock is a refusal', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    const mode = BatchMode.ATOMIC;
    await stream.acknowledged(1, [sale(1), sale(0)], { mode });
    await stream.acknowledged(2, [operation('COUNT', 1_000_000_000)]);
    await stream.acknowledged(3, [operation('RESTOCK', 1), sale(1)]);
    await stream.acknowledged(4, [sale(1), operation('RESTOCK', 3)], { mode });
    expect(reasonsOf(stream)).toEqual([
      ...['BATCH_REFUSED', 'INVALID_FIELD', 'UNSPECIFIED', 'STOCK_LIMIT', 'UNSPECIFIED'],
      ...['BATCH_REFUSED', 'STOCK_LIMIT'],
    ]);
    expect(await scene.quantityOf(storeId)).toBe(999_999_999);
    await stream.finish();
  });
});
