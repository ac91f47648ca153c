import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newStore, SyncScene } from './sync-scene.js';
import { Syncing, sale } from './syncing.js';

/** What a database tells that was restored to a time before the last hellos of its stores. */
let scene: SyncScene;

beforeAll(async () => {
  scene = await SyncScene.start();
});

afterAll(async () => {
  await scene?.stop();
});

/** As it was before the stream said hello. */
const restore = {
  'an earlier stream': (storeId: string) =>
    scene.query('UPDATE sync_cursor SET stream = stream - 1, sequence = 1 WHERE store_id = $1', [storeId]),
  'no such store': (storeId: string) => scene.query('DELETE FROM sync_cursor WHERE store_id = $1', [storeId]),
};

async function streamWithMessages(): Promise<Syncing & { storeId: string }> {
  const storeId = newStore();
  const before = await Syncing.open(scene.callers, storeId);
  await before.acknowledged(1, [sale(1)]);
  await before.finish();
  const stream = await Syncing.open(scene.callers, storeId, { epoch: 1n });
  await stream.acknowledged(2, [sale(1)]);
  return Object.assign(stream, { storeId });
}

describe.each(Object.entries(restore))('a stream of which the database knows %s', (what, restored) => {
  test('is told to say hello again, at its next message', async () => {
    const stream = await streamWithMessages();
    await restored(stream.storeId);
    stream.message(3, [sale(1)]);
    await stream.untilEnd();
    expect(stream.failure).toMatchObject({ code: 'OUT_OF_RANGE', reason: 'RESYNC' });
    expect(stream.acked).toBe(2n);
    expect(await scene.eventsOf(stream.storeId)).toHaveLength(2);
  });

  test('is told so at its heartbeat; its hello tells what was lost', async () => {
    const stream = await streamWithMessages();
    await restored(stream.storeId);
    await stream.untilEnd();
    expect(stream.failure).toMatchObject({ reason: 'RESYNC' });
    const again = await Syncing.open(scene.callers, stream.storeId, { epoch: 1n });
    if (what === 'no such store') expect(again.failure).toMatchObject({ reason: 'LOG_FORKED' });
    else {
      expect(again.acked).toBe(1n);
      await again.acknowledged(2, [sale(1)]);
      await again.finish();
    }
  });
});

test('a hello finds the way past streams from before that are still open, whatever their numbers are', async () => {
  const stream = await streamWithMessages();
  // Numbers begin again below those of the stream; each hello raises them by one.
  await scene.query('UPDATE sync_cursor SET stream = 0 WHERE store_id = $1', [stream.storeId]);
  for (let tries = 1; ; tries++) {
    const again = await Syncing.open(scene.callers, stream.storeId, { epoch: 1n });
    if (again.failure === undefined) {
      expect(await again.acknowledged(3, [sale(1)])).toMatchObject({ ackedSequence: 3n });
      await again.finish();
      break;
    }
    expect(again.failure).toMatchObject({ reason: 'RESYNC' });
    expect(tries).toBeLessThan(5);
  }
  await stream.untilEnd();
  expect(stream.failure).toMatchObject({ reason: 'RESYNC' });
});
