import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { BatchMode } from '../gen/grpc/inventory/v1/inventory.js';
import { newStore, SyncScene } from './sync-scene.js';
import { Syncing, sale } from './syncing.js';

let scene: SyncScene;

beforeAll(async () => {
  scene = await SyncScene.start();
});

afterAll(async () => {
  await scene?.stop();
});

describe('what is not valid ends the stream, and nothing of it is applied', () => {
  const bad: [what: string, send: (stream: Syncing, storeId: string) => void, failure: object][] = [
    [
      'another store',
      (stream) => stream.message(2, [sale(9)], { storeId: 'another' }),
      { reason: 'INVALID_FIELD', fieldViolations: [expect.objectContaining({ field: 'storeId' })] },
    ],
    ['a negative sequence', (stream) => stream.message(-1, [sale(9)]), { reason: 'INVALID_FIELD' }],
    [
      'a negative epoch',
      (stream) => stream.message(2, [sale(9)], { epoch: -1n }),
      { reason: 'INVALID_FIELD' },
    ],
    ['no operations', (stream) => stream.message(2, []), { reason: 'INVALID_FIELD' }],
    [
      '1,001 operations',
      (stream) =>
        stream.message(
          2,
          Array.from({ length: 1_001 }, () => sale(9)),
        ),
      {
        reason: 'INVALID_FIELD',
        fieldViolations: [{ field: 'operations', description: 'Operations must not exceed 1,000' }],
      },
    ],
    [
      'an unknown mode',
      (stream) => stream.message(2, [sale(9)], { mode: 9 as BatchMode }),
      { reason: 'INVALID_FIELD' },
    ],
    ['a second hello', (stream) => stream.send({}), { reason: 'INVALID_FIELD' }],
    [
      'bytes that are no message',
      (stream) => stream.sendBytes(Buffer.from('ffffff', 'hex')),
      { reason: 'MALFORMED_MESSAGE' },
    ],
    [
      '2 MB',
      (stream) => stream.message(2, [{ ...sale(9), reason: 'x'.repeat(2 * 1024 * 1024) }]),
      {
        ...{ code: 'RESOURCE_EXHAUSTED', reason: 'MESSAGE_TOO_LARGE' },
        metadata: { limit_bytes: '1048576' },
      },
    ],
  ];

  test.each(bad)('%s', async (_, send, failure) => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.acknowledged(1, [sale(1)]);
    send(stream, storeId);
    stream.message(2, [sale(5)]);
    await stream.untilEnd();
    expect(stream.failure).toMatchObject(failure);
    expect(await scene.quantityOf(storeId)).toBe(-1);
    const next = await Syncing.open(scene.callers, storeId, { epoch: 1n });
    expect(next.acks[0]).toMatchObject({ ackedSequence: 1n });
    await next.finish();
  });

  test('what was sent before it is acknowledged first', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    for (let sequence = 1; sequence <= 5; sequence++) stream.message(sequence, [sale(1)]);
    stream.message(6, [sale(1)], { storeId: 'another' });
    await stream.untilEnd();
    expect(stream.acks.map(({ ackedSequence }) => ackedSequence)).toEqual([0n, 1n, 2n, 3n, 4n, 5n]);
    expect(await scene.quantityOf(storeId)).toBe(-5);
  });

  test.each([
    ['without a hello', {}, true],
    ['a hello with operations', { operations: [sale(1)] }, false],
    ['a hello with a sequence', { sequence: 1n }, false],
    ['a hello with a cursor that is none', { changeCursor: 'abc' }, false],
    ['a hello of no store', { storeId: '' }, false],
    ['a hello with a negative epoch', { epoch: -1n }, false],
  ])('%s', async (_, hello, empty) => {
    const stream = new Syncing(scene.callers, newStore());
    if (empty) await stream.finish();
    else {
      stream.send(hello);
      await stream.untilEnd();
    }
    expect(stream.failure).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD' });
  });
});
