import { randomUUID } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { BatchMode, OnhandError, OperationType, type StoreLog } from '@onhand/client';
import { decodeRecords, encodeRecord } from '../bench/stores/log-records.js';
import type { Deed } from '../bench/stores/simulated-store.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { restock, SyncingStores, sale } from './syncing-stores.js';

/** What `sync()` of the client's package tells a store of its operations, and how it ends. */

let stores: SyncingStores;

beforeAll(async () => {
  stores = await SyncingStores.start();
});

afterEach(async () => stores.endAll());

afterAll(async () => stores?.stop());

describe('what became of an operation is told', () => {
  const count = (productId: string, quantity: number): Deed => ({ productId, type: 'COUNT', quantity });

  /** A count in the service, by somebody else. */
  const counted = (storeId: string, quantity: number) =>
    stores.onhand.apply({
      ...{ storeId, mode: BatchMode.ATOMIC },
      operations: [{ productId: 'A', type: OperationType.COUNT, quantity }],
    });

  /** As if the store had crashed before it wrote down anything that it was told of its last message. */
  function crashedBeforeItWasTold(path: string): void {
    const { records } = decodeRecords(readFileSync(path));
    const last = records.findLastIndex(({ kind }) => kind === 'message');
    expect(last).toBeGreaterThan(0);
    writeFileSync(
      path,
      records
        .slice(0, last + 1)
        .map(encodeRecord)
        .join(''),
    );
  }

  /** An online count of 100, and a sale in the store before it that arrives after it. */
  async function lateSale(): Promise<{ storeId: string; path: string }> {
    const { storeId, path } = stores.named();
    const first = await stores.run(storeId, path);
    await first.store.does(restock('A', 50));
    await stores.untilAgreed(first);
    await stores.end(first);
    await stores.offline(storeId, path, sale('A', 7));
    await counted(storeId, 100);
    const second = await stores.run(storeId, path);
    await stores.untilAgreed(second);
    expect(second.store.state.stocks).toEqual({ A: 100 });
    await stores.end(second);
    return { storeId, path };
  }

  test('a sale that a count had seen already changes nothing, in the store either', async () => {
    await lateSale();
  });

  test('again, where the store was not told: its acknowledgement was lost', async () => {
    const { storeId, path } = await lateSale();
    crashedBeforeItWasTold(path);
    const again = await stores.run(storeId, path);
    await stores.untilAgreed(again);
    expect(again.store.state.stocks).toEqual({ A: 100 });
    expect(await stores.syncedEvents(storeId)).toEqual({ count: 2, ids: 2 });
  });

  test("the store's own count keeps what was sold elsewhere since", async () => {
    const { storeId, path } = stores.named();
    const first = await stores.run(storeId, path);
    await first.store.does(restock('A', 50));
    await stores.untilAgreed(first);
    await stores.end(first);
    await stores.offline(storeId, path, sale('A', 1), count('A', 40), sale('A', 2));
    await stores.onhand.sell({ storeId, productId: 'A', quantity: 5 });
    const second = await stores.run(storeId, path);
    await stores.untilAgreed(second);
    expect(second.store.state.stocks).toEqual({ A: 33 });
    await second.store.does(count('A', 20));
    await stores.untilAgreed(second);
    expect(second.store.state.stocks).toEqual({ A: 20 });
  });
});

test('of two syncs of one store one ends with STREAM_SUPERSEDED, and the other goes on', async () => {
  const { storeId, path } = stores.named();
  const older = await stores.run(storeId, path);
  await older.store.does(restock('A', 1));
  await stores.untilAgreed(older);
  copyFileSync(path, `${path}.twin`);
  const newer = await stores.run(storeId, `${path}.twin`);
  const [ended, error] = await Promise.race(
    [older, newer].map(async (one) => [one, await one.ended] as const),
  );
  expect(error).toBeInstanceOf(OnhandError);
  expect(error).toMatchObject({ reason: 'STREAM_SUPERSEDED', codeName: 'ABORTED' });
  const lasting = ended === older ? newer : older;
  await lasting.store.does(restock('A', 1));
  await stores.untilAgreed(lasting);
});

test('a hello of its own that the service heard late does not end a sync', async () => {
  const { storeId, path } = stores.named();
  const one = await stores.run(storeId, path);
  await one.store.does(restock('A', 1));
  await stores.untilAgreed(one);
  await withConnection(stores.database.url, (client) =>
    client.query('UPDATE sync_cursor SET stream = stream + 1 WHERE store_id = $1', [storeId]),
  );
  await one.store.does(restock('A', 1));
  await stores.untilAgreed(one);
  expect(one.kinds).toContain('interrupted');
  expect(one.store.state).toMatchObject({ epoch: 1, stocks: { A: 2 } });
});

test('a message that is too large ends the sync, and says so', async () => {
  const operations = Array.from({ length: 1_000 }, (_, index) => ({
    ...{ eventId: randomUUID(), productId: `P-${index}`, type: OperationType.RESTOCK, quantity: 1 },
    metadata: { note: 'x'.repeat(2_000) },
  }));
  const log: StoreLog = {
    ...{ epoch: 0n, lastSequence: 0n, firstSequence: 1n },
    begin(epoch) {
      Object.assign(log, { epoch });
    },
    message: () => operations,
    more: async () => undefined,
  };
  const sync = async () => {
    for await (const { kind } of stores.onhand.sync({ storeId: stores.named().storeId, log }))
      expect(kind).not.toBe('interrupted');
  };
  await expect(sync()).rejects.toMatchObject({ codeName: 'RESOURCE_EXHAUSTED' });
});
