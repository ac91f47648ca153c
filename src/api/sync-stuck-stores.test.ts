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

/** Keeps all stocks of these stores locked during `act`. */
const whileLocked = <T>(storeIds: readonly string[], act: () => Promise<T>): Promise<T> =>
  withConnection(scene.databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM stock WHERE store_id = ANY ($1) FOR NO KEY UPDATE', [storeIds]);
    return await act();
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
  const stores = stuck.map(({ storeId }) => storeId);
  await whileLocked(stores, async () => {
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

test('a stream that is not the newest any more is told so, though its message is stuck', async () => {
  const storeId = newStore();
  await scene.restock(storeId, 100);
  const older = await Syncing.open(scene.callers, storeId);
  await whileLocked([storeId], async () => {
    older.message(1, [sale(1)]);
    await scene.untilWaiting(1);
    const newer = await Syncing.open(scene.callers, storeId, { epoch: 1n });
    expect(newer.acked).toBe(0n);
    await older.untilEnd();
    expect(older.failure).toMatchObject({ reason: 'STREAM_SUPERSEDED' });
    await newer.finish();
  });
  expect(await scene.quantityOf(storeId)).toBe(100);
});
