import { copyFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { SimulatedStore } from '../bench/stores/simulated-store.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { restock, SyncingStores, sale } from './syncing-stores.js';
import { until } from './until.js';

const PATIENCE_MS = 30_000;

/** `sync()` of the client's package, as a store with a log of its own uses it, against a real service that is killed. */

let stores: SyncingStores;

beforeAll(async () => {
  stores = await SyncingStores.start();
});

afterEach(async () => stores.endAll());

afterAll(async () => stores?.stop());

test('what a store did goes up, what others did in it comes down, and both agree', async () => {
  const { storeId, path } = stores.named();
  await stores.onhand.restock({ storeId, productId: 'A', quantity: 10 });
  const one = await stores.run(storeId, path);
  await one.store.does(sale('A', 3), restock('B', 5));
  await stores.untilAgreed(one);
  expect(one.store.state.stocks).toEqual({ A: 7, B: 5 });
  await stores.onhand.sell({ storeId, productId: 'A', quantity: 2 });
  await one.store.does(sale('A', 9));
  await stores.untilAgreed(one);
  expect(one.store.state.stocks).toEqual({ A: -4, B: 5 });
  expect(one.kinds.slice(0, 2)).toEqual(['epoch', 'acknowledged']);
});

test('what was done before there was a line is sent, and the stock that was there already counts', async () => {
  const { storeId, path } = stores.named();
  await stores.onhand.restock({ storeId, productId: 'A', quantity: 10 });
  const offline = await SimulatedStore.open(storeId, path);
  for (let index = 0; index < 1_300; index++) await offline.does(restock('A', 1), sale('B', 1));
  await offline.close();
  const one = await stores.run(storeId, path);
  await stores.untilAgreed(one);
  expect(one.store.state.stocks).toEqual({ A: 1_310, B: -1_300 });
  expect(await stores.syncedEvents(storeId)).toEqual({ count: 2_600, ids: 2_600 });
});

test('a store that comes back goes on from its cursor, without a snapshot', async () => {
  const { storeId, path } = stores.named();
  const first = await stores.run(storeId, path);
  await first.store.does(restock('A', 10));
  await stores.untilAgreed(first);
  await stores.end(first);
  await stores.onhand.sell({ storeId, productId: 'A', quantity: 4 });
  const second = await stores.run(storeId, path);
  await second.store.does(sale('A', 1));
  await stores.untilAgreed(second);
  expect(second.store.state.stocks).toEqual({ A: 5 });
  expect(second.kinds).not.toContain('snapshot');
  expect(second.kinds).not.toContain('epoch');
});

test('over kills of the service each operation takes effect exactly once', async () => {
  const { storeId, path } = stores.named();
  const one = await stores.run(storeId, path);
  let selling = true;
  const seller = (async () => {
    while (selling) await one.store.does(restock('A', 2), sale('A', 1));
  })();
  for (let kill = 0; kill < 3; kill++) {
    const { acknowledged } = one.store;
    await until(
      async () => one.store.acknowledged > acknowledged + 20,
      'nothing is acknowledged',
      PATIENCE_MS,
    );
    await stores.service.kill9();
    await stores.service.startAgain(stores.database.url);
  }
  selling = false;
  await seller;
  await stores.untilAgreed(one);
  const { operations } = one.store.state;
  expect(await stores.syncedEvents(storeId)).toEqual({ count: operations, ids: operations });
  expect(one.kinds.filter((kind) => kind === 'interrupted').length).toBeGreaterThanOrEqual(3);
  expect(one.kinds.filter((kind) => kind === 'epoch')).toHaveLength(1);
}, 120_000);

describe('what was restored from a backup', () => {
  test('a store begins a new epoch, sends again what it has, and each operation counts once', async () => {
    const { storeId, path } = stores.named();
    const first = await stores.run(storeId, path);
    await first.store.does(restock('A', 100), sale('A', 1));
    await stores.untilAgreed(first);
    // Its backup has an operation that the service has too, but the store does not know that.
    await stores.end(first);
    await stores.offline(storeId, path, sale('A', 10));
    copyFileSync(path, `${path}.backup`);
    const second = await stores.run(storeId, path);
    await stores.untilAgreed(second);
    await second.store.does(sale('A', 20));
    await stores.untilAgreed(second);
    await stores.end(second);
    expect(await stores.centralOf(storeId)).toEqual({ A: 69 });
    copyFileSync(`${path}.backup`, path);
    const restored = await stores.run(storeId, path);
    await restored.store.does(sale('A', 5));
    await stores.untilAgreed(restored);
    // The sale of 20 is lost in the store and known to the service.
    expect(restored.store.state.stocks).toEqual({ A: 64 });
    expect(await stores.centralOf(storeId)).toEqual({ A: 64 });
    expect(restored.store.state.epoch).toBe(2);
    // In one sync: nothing is told of stocks before what was sent again is acknowledged.
    const afterEpoch = restored.kinds.slice(restored.kinds.indexOf('epoch') + 1);
    const firstTold = afterEpoch.findIndex((kind) => kind === 'snapshot' || kind === 'changes');
    expect(afterEpoch.slice(0, firstTold).filter((kind) => kind === 'acknowledged').length).toBeGreaterThan(
      1,
    );
    expect(afterEpoch[firstTold]).toBe('snapshot');
    expect(await stores.syncedEvents(storeId)).toEqual({ count: 5, ids: 5 });
  });

  test('a service that has less than the store has forgotten gets a new epoch', async () => {
    const { storeId, path } = stores.named();
    const first = await stores.run(storeId, path);
    for (let index = 0; index < 3; index++) {
      await first.store.does(restock('A', 1));
      await stores.untilAgreed(first);
    }
    await stores.end(first);
    await withConnection(stores.database.url, (client) =>
      client.query('UPDATE sync_cursor SET sequence = 1 WHERE store_id = $1', [storeId]),
    );
    const second = await stores.run(storeId, path);
    await second.store.does(restock('A', 1));
    await stores.untilAgreed(second);
    expect(second.store.state).toMatchObject({ epoch: 2, stocks: { A: 4 } });
    expect(await stores.syncedEvents(storeId)).toEqual({ count: 4, ids: 4 });
  });
});
