import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { Effect } from '../gen/grpc/inventory/v1/inventory.js';
import { newStore, SyncScene } from './sync-scene.js';
import { operation, Syncing, sale } from './syncing.js';

let scene: SyncScene;

beforeAll(async () => {
  scene = await SyncScene.start();
});

afterAll(async () => {
  await scene?.stop();
});

describe('a log', () => {
  test('gets an epoch; its messages are durable with their sequence, and say where they came from', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    expect(stream.acks[0]).toMatchObject({ epoch: 1n, ackedSequence: 0n, results: [], replayed: false });
    await stream.acknowledged(1, [sale(1), sale(2)]);
    await stream.acknowledged(2, [operation('RESTOCK', 9)]);
    expect(stream.acked).toBe(2n);
    expect(stream.results.map(({ effect, stock }) => [effect, stock?.version, stock?.oversold])).toEqual([
      [Effect.OVERSOLD, 1n, 1],
      [Effect.OVERSOLD, 2n, 3],
      [Effect.APPLIED, 3n, 0],
    ]);
    expect((await stream.finish()).failure).toBeUndefined();
    expect(await scene.quantityOf(storeId)).toBe(6);
    const events = await scene.eventsOf(storeId);
    expect(events.map((each) => [each.origin, each.sync_epoch, each.sync_sequence])).toEqual([
      ['SYNC', '1', '1'],
      ['SYNC', '1', '1'],
      ['SYNC', '1', '2'],
    ]);
  });

  test('goes on where it stood; a repeat gets the first results, a gap is refused with what is expected', async () => {
    const storeId = newStore();
    const first = await Syncing.open(scene.callers, storeId);
    const messages = [[sale(1), sale(undefined), sale(0)], [sale(2)], [sale(3)]];
    for (const [index, operations] of messages.entries()) await first.acknowledged(index + 1, operations);
    await first.cancel();

    const again = await Syncing.open(scene.callers, storeId, { epoch: 1n });
    expect(again.acks[0]).toMatchObject({ epoch: 1n, ackedSequence: 3n });
    const repeated = await again.acknowledged(1, messages[0]!);
    expect(repeated).toMatchObject({ ackedSequence: 1n, replayed: true });
    expect(repeated!.results.map(({ reason, replayed }) => [ErrorReason[reason], replayed])).toEqual([
      ['UNSPECIFIED', true],
      ['INVALID_FIELD', false],
      ['INVALID_FIELD', false],
    ]);
    await again.acknowledged(3, messages[2]!);
    expect(await again.acknowledged(4, [sale(4)])).toMatchObject({ replayed: false });
    again.message(6, [sale(5)]);
    await again.untilEnd();
    expect(again.failure).toMatchObject({
      ...{ code: 'OUT_OF_RANGE', reason: 'SEQUENCE_GAP', metadata: { expected_sequence: '5' } },
    });
    expect(await scene.quantityOf(storeId)).toBe(-10);
  });

  test('that forked is refused whole, with what is behind the fork', async () => {
    const storeId = newStore();
    const first = await Syncing.open(scene.callers, storeId);
    const known = sale(1);
    await first.acknowledged(1, [known]);
    await first.finish();
    const forked = await Syncing.open(scene.callers, storeId, { epoch: 1n });
    forked.message(1, [known, sale(2)]);
    forked.message(2, [sale(3)]);
    await forked.untilEnd();
    expect(forked.failure).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'LOG_FORKED' });
    expect(forked.acks).toHaveLength(1);
    expect(await scene.quantityOf(storeId)).toBe(-1);
  });

  test('of a restored store: a new epoch, everything again, each operation once', async () => {
    const storeId = newStore();
    const before = await Syncing.open(scene.callers, storeId);
    const operations = [sale(1), sale(2), sale(3)];
    for (const [index, each] of operations.entries()) await before.acknowledged(index + 1, [each]);
    await before.finish();

    const restored = await Syncing.open(scene.callers, storeId);
    expect(restored.acks[0]).toMatchObject({ epoch: 2n, ackedSequence: 0n });
    await restored.acknowledged(1, operations.slice(0, 2));
    await restored.acknowledged(2, [sale(4)]);
    expect(restored.results.map(({ replayed }) => replayed)).toEqual([true, true, false]);
    await restored.finish();
    expect(await scene.quantityOf(storeId)).toBe(-10);

    const old = await Syncing.open(scene.callers, storeId, { epoch: 1n });
    expect(old.failure).toMatchObject({ reason: 'EPOCH_SUPERSEDED', metadata: { epoch: '2' } });
  });

  test('of an epoch that nobody knows: the server was restored', async () => {
    const storeId = newStore();
    const unknown = await Syncing.open(scene.callers, storeId, { epoch: 3n });
    expect(unknown.failure).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'LOG_FORKED' });
    await (await Syncing.open(scene.callers, storeId)).finish();
    const ahead = await Syncing.open(scene.callers, storeId, { epoch: 2n });
    expect(ahead.failure).toMatchObject({ reason: 'LOG_FORKED' });
  });

  test('a message under an older epoch than its stream has is refused', async () => {
    const storeId = newStore();
    await (await Syncing.open(scene.callers, storeId)).finish();
    const stream = await Syncing.open(scene.callers, storeId);
    stream.message(1, [sale(1)], { epoch: 1n });
    await stream.untilEnd();
    expect(stream.failure).toMatchObject({ reason: 'EPOCH_SUPERSEDED' });
    expect(await scene.quantityOf(storeId)).toBe('STOCK_NOT_FOUND');
  });
});

test('100 messages in a row, not waited for, are acknowledged in their order', async () => {
  const storeId = newStore();
  const stream = await Syncing.open(scene.callers, storeId);
  for (let sequence = 1; sequence <= 100; sequence++)
    stream.message(sequence, [sale(1), sale(1, `P${sequence % 9}`)]);
  await stream.finish();
  expect(stream.failure).toBeUndefined();
  expect(stream.acks.map(({ ackedSequence }) => Number(ackedSequence))).toEqual(
    Array.from({ length: 101 }, (_, index) => index),
  );
  expect(await scene.quantityOf(storeId)).toBe(-100);
});
