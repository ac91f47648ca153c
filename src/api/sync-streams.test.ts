import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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

describe('streams of one store', () => {
  test('the newer one wins', async () => {
    const storeId = newStore();
    const older = await Syncing.open(scene.callers, storeId);
    await older.acknowledged(1, [sale(1)]);
    const newer = await Syncing.open(scene.callers, storeId, { epoch: 1n });
    await older.untilEnd();
    expect(older.failure).toMatchObject({ code: 'ABORTED', reason: 'STREAM_SUPERSEDED' });
    expect(await newer.acknowledged(2, [sale(1)])).toMatchObject({ ackedSequence: 2n });
    await newer.finish();
  });

  test('through another process, too: a message is refused, an idle stream is told at its heartbeat', async () => {
    const stores = [newStore(), newStore()];
    const [busy, idle] = await Promise.all(stores.map((storeId) => Syncing.open(scene.callers, storeId)));
    // What the hello of another process does.
    await withConnection(scene.databaseUrl, (client) =>
      client.query('UPDATE sync_cursor SET stream = stream + 1 WHERE store_id = ANY ($1)', [stores]),
    );
    busy!.message(1, [sale(1)]);
    await Promise.all([busy!.untilEnd(), idle!.untilEnd()]);
    expect(busy!.failure).toMatchObject({ reason: 'STREAM_SUPERSEDED' });
    expect(idle!.failure).toMatchObject({ reason: 'STREAM_SUPERSEDED' });
    expect(await scene.quantityOf(stores[0]!)).toBe('STOCK_NOT_FOUND');
  });
});

test('a stream that says nothing is ended', async () => {
  const stream = await new Syncing(scene.callers, newStore()).untilEnd();
  expect(stream.failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE_EXCEEDED' });
});
