import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Consistency, connect, type Onhand, OnhandError, type SyncUpdate } from '@onhand/client';
import { type Deed, SimulatedStore } from '../bench/stores/simulated-store.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { LastingService } from './lasting-service.js';
import { until } from './until.js';

/** `sync()` of the client's package, as a store with a log of its own uses it, against a real service. */

const PATIENCE_MS = 30_000;

let database: TestDatabase;
let service: LastingService;
let onhand: Onhand;
let folder: string;
const running: Running[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  service = await LastingService.start(database.url);
  onhand = connect(service.grpcAddress, { deadlineMs: PATIENCE_MS });
  folder = mkdtempSync(join(tmpdir(), 'onhand-stores-'));
});

afterEach(async () => {
  for (const one of running.splice(0)) await one.end();
});

afterAll(async () => {
  onhand?.close();
  await service?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** A store that syncs. */
interface Running {
  readonly store: SimulatedStore;
  /** All kinds of updates that came. */
  readonly kinds: SyncUpdate['kind'][];
  readonly ended: Promise<unknown>;
  end(): Promise<void>;
}

async function run(storeId: string, path: string): Promise<Running> {
  const store = await SimulatedStore.open(storeId, path);
  const kinds: SyncUpdate['kind'][] = [];
  store.onUpdate(({ kind }) => kinds.push(kind));
  const ending = new AbortController();
  const ended = store.sync(onhand, ending.signal).catch((error: unknown) => error);
  const one: Running = {
    ...{ store, kinds, ended },
    end: async () => {
      ending.abort();
      await ended;
      await store.close();
    },
  };
  running.push(one);
  return one;
}

async function stop(one: Running): Promise<void> {
  running.splice(running.indexOf(one), 1);
  await one.end();
}

const newStore = () => {
  const storeId = `S-${randomUUID().slice(0, 8)}`;
  return { storeId, path: join(folder, storeId) };
};

const sale = (productId: string, quantity: number): Deed => ({ productId, type: 'SALE', quantity });
const restock = (productId: string, quantity: number): Deed => ({ productId, type: 'RESTOCK', quantity });

async function centralOf(storeId: string): Promise<Record<string, number>> {
  const central: Record<string, number> = {};
  for await (const { stocks } of onhand.list({ storeId, consistency: Consistency.STRONG }))
    for (const { productId, quantity, oversold } of stocks) central[productId] = quantity - oversold;
  return central;
}

const untilAgreed = ({ store }: Running) =>
  until(
    async () => {
      if (store.state.pending > 0 || store.state.needsSnapshot || store.state.cursor === '') return false;
      return (
        JSON.stringify(sorted(store.state.stocks)) === JSON.stringify(sorted(await centralOf(store.storeId)))
      );
    },
    'the store and the service do not agree',
    PATIENCE_MS,
  );

const sorted = (stocks: Readonly<Record<string, number>>) => Object.entries(stocks).sort();

/** Events of a store that came out of its log. */
async function syncedEvents(storeId: string): Promise<{ count: number; ids: number }> {
  const { rows } = await withConnection(database.url, (client) =>
    client.query<{ count: number; ids: number }>(
      `SELECT count(*)::int AS count, count(DISTINCT event_id)::int AS ids FROM event_log
       WHERE store_id = $1 AND origin = 'SYNC'`,
      [storeId],
    ),
  );
  return rows[0]!;
}

test('what a store did goes up, what others did in it comes down, and both agree', async () => {
  const { storeId, path } = newStore();
  await onhand.restock({ storeId, productId: 'A', quantity: 10 });
  const one = await run(storeId, path);
  await one.store.does(sale('A', 3), restock('B', 5));
  await untilAgreed(one);
  expect(one.store.state.stocks).toEqual({ A: 7, B: 5 });
  await onhand.sell({ storeId, productId: 'A', quantity: 2 });
  await one.store.does(sale('A', 9));
  await untilAgreed(one);
  expect(one.store.state.stocks).toEqual({ A: -4, B: 5 });
  expect(one.kinds.slice(0, 2)).toEqual(['epoch', 'acknowledged']);
});

test('what was done before there was a line is sent, and the stock that was there already counts', async () => {
  const { storeId, path } = newStore();
  await onhand.restock({ storeId, productId: 'A', quantity: 10 });
  const offline = await SimulatedStore.open(storeId, path);
  for (let index = 0; index < 1_300; index++) await offline.does(restock('A', 1), sale('B', 1));
  await offline.close();
  const one = await run(storeId, path);
  await untilAgreed(one);
  expect(one.store.state.stocks).toEqual({ A: 1_310, B: -1_300 });
  expect(await syncedEvents(storeId)).toEqual({ count: 2_600, ids: 2_600 });
});

test('a store that comes back goes on from its cursor, without a snapshot', async () => {
  const { storeId, path } = newStore();
  const first = await run(storeId, path);
  await first.store.does(restock('A', 10));
  await untilAgreed(first);
  await stop(first);
  await onhand.sell({ storeId, productId: 'A', quantity: 4 });
  const second = await run(storeId, path);
  await second.store.does(sale('A', 1));
  await untilAgreed(second);
  expect(second.store.state.stocks).toEqual({ A: 5 });
  expect(second.kinds).not.toContain('snapshot');
  expect(second.kinds).not.toContain('epoch');
});

test('over kills of the service each operation takes effect exactly once', async () => {
  const { storeId, path } = newStore();
  const one = await run(storeId, path);
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
    await service.kill9();
    await service.startAgain(database.url);
  }
  selling = false;
  await seller;
  await untilAgreed(one);
  const { operations } = one.store.state;
  expect(await syncedEvents(storeId)).toEqual({ count: operations, ids: operations });
  expect(one.kinds.filter((kind) => kind === 'interrupted').length).toBeGreaterThanOrEqual(3);
  expect(one.kinds.filter((kind) => kind === 'epoch')).toHaveLength(1);
}, 120_000);

describe('what was restored from a backup', () => {
  test('a store begins a new epoch, sends again what it has, and each operation counts once', async () => {
    const { storeId, path } = newStore();
    const first = await run(storeId, path);
    await first.store.does(restock('A', 100), sale('A', 1));
    await untilAgreed(first);
    // Its backup has an operation that the service has too, but the store does not know that.
    await stop(first);
    const offline = await SimulatedStore.open(storeId, path);
    await offline.does(sale('A', 10));
    await offline.close();
    copyFileSync(path, `${path}.backup`);
    const second = await run(storeId, path);
    await untilAgreed(second);
    await second.store.does(sale('A', 20));
    await untilAgreed(second);
    await stop(second);
    expect(await centralOf(storeId)).toEqual({ A: 69 });
    copyFileSync(`${path}.backup`, path);
    const restored = await run(storeId, path);
    await restored.store.does(sale('A', 5));
    await untilAgreed(restored);
    // The sale of 20 is lost in the store and known to the service.
    expect(restored.store.state.stocks).toEqual({ A: 64 });
    expect(await centralOf(storeId)).toEqual({ A: 64 });
    expect(restored.store.state.epoch).toBe(2);
    expect(await syncedEvents(storeId)).toEqual({ count: 5, ids: 5 });
  });

  test('a service that has less than the store has forgotten gets a new epoch', async () => {
    const { storeId, path } = newStore();
    const first = await run(storeId, path);
    for (let index = 0; index < 3; index++) {
      await first.store.does(restock('A', 1));
      await untilAgreed(first);
    }
    await stop(first);
    await withConnection(database.url, (client) =>
      client.query('UPDATE sync_cursor SET sequence = 1 WHERE store_id = $1', [storeId]),
    );
    const second = await run(storeId, path);
    await second.store.does(restock('A', 1));
    await untilAgreed(second);
    expect(second.store.state).toMatchObject({ epoch: 2, stocks: { A: 4 } });
    expect(await syncedEvents(storeId)).toEqual({ count: 4, ids: 4 });
  });
});

test('a newer stream of the same store ends the older one with STREAM_SUPERSEDED', async () => {
  const { storeId, path } = newStore();
  const older = await run(storeId, path);
  await older.store.does(restock('A', 1));
  await untilAgreed(older);
  copyFileSync(path, `${path}.twin`);
  const newer = await run(storeId, `${path}.twin`);
  const error = await older.ended;
  expect(error).toBeInstanceOf(OnhandError);
  expect(error).toMatchObject({ reason: 'STREAM_SUPERSEDED', codeName: 'ABORTED' });
  await newer.store.does(restock('A', 1));
  await untilAgreed(newer);
});
