import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { poll } from '../dev/poll.js';
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

describe('changes made elsewhere', () => {
  test('come with what they include of the own log; own ones do not come', async () => {
    const storeId = newStore();
    await scene.restock(storeId, 100);
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.until(({ changes }) => changes.length > 0);
    expect(stream.changes[0]).toMatchObject({ stocks: [], includedSequence: 0n });
    await stream.acknowledged(1, [sale(1), sale(1, 'own')]);
    await stream.acknowledged(2, [sale(2)]);
    await scene.sell(storeId, 5);
    await stream.until(({ changes }) => changes.some(({ stocks }) => stocks.length > 0));
    const change = stream.changes.find(({ stocks }) => stocks.length > 0)!;
    expect(change.stocks).toMatchObject([{ storeId, productId: 'P', quantity: 92, version: 4n }]);
    expect(change.includedSequence).toBe(2n);
    expect(change.changeCursor).not.toBe('');
    await stream.finish();
    expect(stream.changes.flatMap(({ stocks }) => stocks.map(({ productId }) => productId))).toEqual(['P']);
  });

  test('include a message that has changed nothing as soon as it is acknowledged', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.acknowledged(1, [sale(1, 'own')]);
    await stream.acknowledged(2, [sale(-1)]);
    await scene.restock(storeId, 1, 'Q');
    await stream.until(({ changes }) => changes.some(({ stocks }) => stocks.length > 0));
    expect(stream.changes.at(-1)).toMatchObject({ stocks: [{ productId: 'Q' }], includedSequence: 2n });
    await stream.finish();
  });

  test('do not include a message that is still on its way', async () => {
    const storeId = newStore();
    await scene.restock(storeId, 5);
    const stream = await Syncing.open(scene.callers, storeId);
    await withConnection(scene.databaseUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM stock WHERE store_id = $1 FOR UPDATE', [storeId]);
      stream.message(1, [sale(1)]);
      const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await poll(async () => (await scene.query(waits)).rowCount || undefined, 10_000, 5);
      await scene.restock(storeId, 1, 'Q');
      await stream.until(({ changes }) => changes.some(({ stocks }) => stocks.length > 0));
      expect(stream.acked).toBe(0n);
      expect(stream.changes.at(-1)).toMatchObject({ stocks: [{ productId: 'Q' }], includedSequence: 0n });
      await client.query('COMMIT');
    });
    await stream.until(({ acked }) => acked === 1n);
    await stream.finish();
  });

  test('go on from the cursor: what was missed comes, newest states only, each stock once', async () => {
    const storeId = newStore();
    const first = await Syncing.open(scene.callers, storeId);
    await first.until(({ cursor }) => cursor !== '');
    await first.acknowledged(1, [sale(1), sale(1, 'own')]);
    const { cursor } = first;
    await first.finish();
    for (let product = 0; product < 3; product++) {
      await scene.restock(storeId, 10, `Q${product}`);
      await scene.sell(storeId, 1, randomUUID(), `Q${product}`);
    }
    await scene.restock(storeId, 10);
    const again = await Syncing.open(scene.callers, storeId, { epoch: 1n, changeCursor: cursor });
    await again.until((syncing) => syncing.cursor !== '');
    const stocks = again.changes.flatMap((change) => change.stocks);
    expect(stocks.map(({ productId, quantity, version }) => [productId, quantity, version])).toEqual([
      ['P', 9, 2n],
      ['Q0', 9, 2n],
      ['Q1', 9, 2n],
      ['Q2', 9, 2n],
    ]);
    expect(again.changes.every(({ includedSequence }) => includedSequence === 1n)).toBe(true);
    await again.finish();
  });

  test('a store that keeps to the rule has every stock as it is, whatever happens at once', async () => {
    const storeId = newStore();
    await scene.restock(storeId, 10_000);
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.until(({ cursor }) => cursor !== '');
    let sequence = 0;
    const local = async () => {
      for (let turn = 0; turn < 40; turn++) await stream.acknowledged(++sequence, [sale(1)]);
    };
    const elsewhere = async () => {
      for (let turn = 0; turn < 40; turn++) await scene.sell(storeId, 100);
    };
    await Promise.all([local(), elsewhere()]);
    await scene.sell(storeId, 100);
    await stream.until(({ changes }) =>
      changes.some(({ stocks }) => stocks.some((each) => each.version === 82n)),
    );
    // Each state, less the own sales behind the sequence that it includes, is one that follows from both.
    const states = stream.changes.filter(({ stocks }) => stocks.length > 0);
    expect(states.length).toBeGreaterThan(5);
    for (const { stocks, includedSequence } of states) {
      const { quantity } = stocks[0]!;
      expect((10_000 - quantity - Number(includedSequence)) % 100).toBe(0);
    }
    await stream.finish();
  });

  test('a heartbeat comes when nothing else does, with a watermark that moves, and the cursor moves with it', async () => {
    const storeId = newStore();
    const stream = await Syncing.open(scene.callers, storeId);
    await stream.until(({ heartbeats }) => heartbeats.filter(({ watermark }) => watermark).length >= 2);
    const times = stream.heartbeats.flatMap(({ watermark }) =>
      watermark ? [Number(watermark.seconds)] : [],
    );
    expect(Math.abs(times[0]! - Date.now() / 1000)).toBeLessThan(60);
    const { cursor } = stream;
    await stream.acknowledged(1, [sale(1)]);
    await stream.until((syncing) => syncing.cursor !== cursor);
    await stream.finish();
  });
});
