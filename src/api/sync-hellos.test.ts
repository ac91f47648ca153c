import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import { newStore, SyncScene } from './sync-scene.js';
import { Syncing, sale } from './syncing.js';

let scene: SyncScene;

beforeAll(async () => {
  scene = await SyncScene.start();
});

afterAll(async () => {
  await scene?.stop();
});

test('a hello whose store has gone and come back does not end the stream that it has now', async () => {
  const storeId = newStore();
  await (await Syncing.open(scene.callers, storeId)).finish();
  const orphan = new Syncing(scene.callers, storeId);
  await withConnection(scene.databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM sync_cursor WHERE store_id = $1 FOR NO KEY UPDATE', [storeId]);
    orphan.send({ epoch: 1n });
    await scene.untilWaiting(1);
    await orphan.cancel();
    await scene.untilWaiting(0);
  });
  const stream = await Syncing.open(scene.callers, storeId, { epoch: 1n });
  await stream.until(({ heartbeats, ended }) => heartbeats.length > 1 || ended);
  expect(stream.failure).toBeUndefined();
  expect(await stream.acknowledged(1, [sale(1)])).toMatchObject({ ackedSequence: 1n });
  await stream.finish();
});
