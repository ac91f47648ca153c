import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import { newStore, SyncScene } from './sync-scene.js';
import { Syncing, sale } from './syncing.js';

/** More than have their turn at once. */
const STUCK = 40;
/** More than a stream takes ahead. */
const MESSAGES = 12;

let scene: SyncScene;

beforeAll(async () => {
  scene = await SyncScene.start();
});

afterAll(async () => {
  await scene?.stop();
});

test('stores whose stocks somebody keeps locked hold up no other store, and go on once they are free', async () => {
  const stuck = await Promise.all(
    Array.from({ length: STUCK }, async () => {
      const storeId = newStore();
      await scene.restock(storeId, 100);
      return { storeId, stream: await Syncing.open(scene.callers, storeId) };
    }),
  );
  const free = await Syncing.open(scene.callers, newStore());
  await withConnection(scene.databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM stock WHERE store_id = ANY ($1) FOR NO KEY UPDATE', [
      stuck.map(({ storeId }) => storeId),
    ]);
    for (const { stream } of stuck)
      for (let sequence = 1; sequence <= MESSAGES; sequence++) stream.message(sequence, [sale(1)]);
    await scene.untilWaiting(1);
    for (let sequence = 1; sequence <= 3; sequence++)
      expect(await free.acknowledged(sequence, [sale(1)])).toBeDefined();
    expect(stuck.flatMap(({ stream }) => [stream.acked, stream.failure])).toEqual(
      stuck.flatMap(() => [0n, undefined]),
    );
  });
  for (const { storeId, stream } of stuck) {
    await stream.until(({ acked, ended }) => acked === BigInt(MESSAGES) || ended);
    await stream.finish();
    expect(stream.failure).toBeUndefined();
    expect(await scene.quantityOf(storeId)).toBe(100 - MESSAGES);
  }
  await free.finish();
});
