import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import { takeReplica } from '../dev/test-database.js';
import type { InventoryError } from '../domain/errors.js';
import type { StockKey } from '../domain/types.js';
import type { Cluster } from '../postgres/cluster.js';
import type { ReadPath } from './read-path.js';
import {
  byDefault,
  HeldReads,
  NO_READ_OBSERVER,
  openTestCluster,
  readsWithoutCaches,
  StartedReads,
  strongly,
  until,
} from './started-reads.js';

const NOWHERE = 'postgresql://postgres@127.0.0.1:1/nowhere';

let giveReplicaFree: () => Promise<void>;
let started: StartedReads;
let reads: ReadPath;

const get = async (...question: Parameters<ReadPath['get']>) => await reads.get(...question);

beforeAll(async () => {
  giveReplicaFree = await takeReplica();
  started = await StartedReads.start();
  reads = started.reads;
});

afterAll(async () => {
  await started?.stop();
  await giveReplicaFree?.();
});

describe('get', () => {
  const key = { storeId: 'STORE_GET', productId: 'P' };

  test('answers from the replica, with an age that the heartbeat bounds', async () => {
    await started.restock(key, 5);
    await started.untilReplicaAnswers(key);
    const answer = await get(key, 0n, byDefault());
    expect(answer).toMatchObject({
      source: 'REPLICA',
      cached: false,
      stale: false,
      stock: { net: 5, version: 1n },
    });
    expect(answer.maxAgeMs).toBeLessThan(5_000);
  });

  test('goes to the primary for a version that the replica has not reached', async () => {
    await started.untilReplicaAnswers(key);
    await started.whileReplicaStands(async () => {
      const version = await started.restock(key, 1);
      const mine = await get(key, version, byDefault());
      expect(mine).toMatchObject({ source: 'PRIMARY', stock: { version } });
      const strong = await get(key, 0n, strongly());
      expect(strong).toMatchObject({ source: 'PRIMARY', stock: { version } });
    });
  });

  test('goes to the primary for a stock that the replica does not know', async () => {
    await started.whileReplicaStands(async () => {
      const fresh = { storeId: 'STORE_GET', productId: 'JUST_MADE' };
      await started.restock(fresh, 7);
      expect(await get(fresh, 0n, byDefault())).toMatchObject({ source: 'PRIMARY', stock: { net: 7 } });
    });
  });

  test('passes over a replica that fell more than three beats behind, and comes back to it', async () => {
    await started.untilReplicaAnswers(key);
    await started.whileReplicaStands(async () => {
      await until(async () => (await get(key, 0n, byDefault())).source === 'PRIMARY');
    });
    await started.untilReplicaAnswers(key);
  });

  test('refuses a version that the primary has not reached, and tells the current one', async () => {
    const { stock } = await get(key, 0n, strongly());
    const error = await get(key, stock.version + 1n, byDefault()).catch((e: InventoryError) => e);
    expect(error).toMatchObject({
      reason: 'VERSION_NOT_REACHED',
      metadata: { version: String(stock.version) },
    });
  });

  test('with a version to be reached does not take the answer of a read that began before', async () => {
    const database = new HeldReads(started.cluster, NO_READ_OBSERVER);
    const path = readsWithoutCaches(started.cluster, database);
    const made = { storeId: 'STORE_GET', productId: 'MADE_MEANWHILE' };
    const early = Promise.resolve(path.get(made, 0n, byDefault())).catch((error) => error);
    await until(async () => database.held === 1);
    const version = await started.restock(made, 4);
    const late = path.get(made, version, byDefault());
    await until(async () => database.held === 2);
    database.release();
    expect(await late).toMatchObject({ stock: { net: 4, version: 1n } });
    expect(await early).toMatchObject({ reason: 'STOCK_NOT_FOUND' });
  });

  test('finds nothing where nobody restocked, a placeholder too', async () => {
    await withConnection(started.database.url, (client) =>
      client.query("INSERT INTO stock (store_id, product_id) VALUES ('STORE_GET', 'PLACEHOLDER')"),
    );
    for (const productId of ['UNKNOWN', 'PLACEHOLDER']) {
      const error = await get({ storeId: 'STORE_GET', productId }, 0n, byDefault()).catch((e) => e);
      expect(error).toMatchObject({ reason: 'STOCK_NOT_FOUND' });
    }
  });
});

describe('without a primary', () => {
  const key = { storeId: 'STORE_ALONE', productId: 'P' };
  let alone: Cluster;

  beforeAll(async () => {
    await started.restock(key, 3);
    await started.untilReplicaAnswers(key);
    alone = await openTestCluster(NOWHERE, [NOWHERE, started.database.replicaUrl]);
  });
  afterAll(() => alone.close());

  test('default reads go on from the replica that can be reached, and say that they may be stale', async () => {
    const answer = await readsWithoutCaches(alone).get(key, 0n, byDefault());
    expect(answer).toMatchObject({ source: 'REPLICA', stale: true, stock: { net: 3 } });
    expect(alone.writable).toBe(false);
    expect([...alone.problems]).toMatchObject([['127.0.0.1:1', { code: 'ECONNREFUSED' }]]);
  });

  test('what the replica cannot answer truly is unavailable', async () => {
    const path = readsWithoutCaches(alone);
    const reads = [
      async () => path.get(key, 0n, strongly()),
      async () => path.get(key, 99n, byDefault()),
      // Its replica is of unknown age: the stock may have been made since.
      async () => path.get({ ...key, productId: 'UNKNOWN' }, 0n, byDefault()),
    ];
    for (const read of reads) {
      await expect(read()).rejects.toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    }
  });
});

describe('several stocks', () => {
  const storeId = 'STORE_MANY';
  const products = ['A', 'B', 'Z', 'a', 'ä', '😀'];

  beforeAll(async () => {
    for (const productId of products) await started.restock({ storeId, productId }, 1);
    await started.restock({ storeId: 'STORE_OTHER', productId: 'A' }, 1);
  });

  test('batchGet answers in the order asked, each key once, and names those that are missing', async () => {
    const keys = ['Z', 'MISSING', 'A', 'Z'].map((productId) => ({ storeId, productId }));
    const answer = await reads.batchGet(keys, strongly());
    expect(answer.stocks.map((stock) => stock.productId)).toEqual(['Z', 'A']);
    expect(answer.missing).toEqual([{ storeId, productId: 'MISSING' }]);
  });

  test.each([1, 2, 6, 7])(
    'list by store gives every stock once in the order of code points, %i a page',
    async (size) => {
      const seen: string[] = [];
      let after: StockKey | undefined;
      do {
        const page = await reads.database.list({ storeId }, { after, size }, strongly());
        expect(page.stocks.length).toBeLessThanOrEqual(size);
        seen.push(...page.stocks.map((stock) => stock.productId));
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual(products);
    },
  );

  test('list by product spans the stores; by both it is one stock; of the unknown it is empty', async () => {
    const list = async (filter: Parameters<ReadPath['database']['list']>[0]) =>
      (await reads.database.list(filter, { after: undefined, size: 10 }, strongly())).stocks.map(
        (stock) => stock.storeId,
      );
    expect(await list({ productId: 'A' })).toEqual([storeId, 'STORE_OTHER']);
    expect(await list({ storeId, productId: 'A' })).toEqual([storeId]);
    expect(await list({ storeId: 'NOBODY' })).toEqual([]);
  });
});

describe('the history of a store', () => {
  const key = { storeId: 'STORE_HISTORY', productId: 'P' };
  const whole = {
    storeId: key.storeId,
    ...{ productId: undefined, eventId: undefined, type: undefined, status: undefined, origin: undefined },
    ...{ actor: undefined, startTimeUs: 0, endTimeUs: Number.MAX_SAFE_INTEGER, descending: false },
  };
  const versionsOf = (page: { events: readonly { version: bigint }[] }) =>
    page.events.map((event) => event.version);

  test('comes from the replica by default, from the primary if it must', async () => {
    await started.restock(key, 1);
    await started.untilReplicaAnswers(key);
    const first = { after: undefined, size: 10 };
    const answer = await reads.database.listEvents(whole, first, byDefault());
    expect(answer).toMatchObject({ source: 'REPLICA', cached: false, stale: false, next: undefined });
    expect(versionsOf(answer)).toEqual([1n]);
    expect(await reads.database.listEvents(whole, first, strongly())).toMatchObject({ source: 'PRIMARY' });
  });

  test('goes on with all that the first page could have shown, though a replica does not have it yet', async () => {
    await started.untilReplicaAnswers(key);
    await started.whileReplicaStands(async () => {
      await started.restock(key, 1);
      const first = await reads.database.listEvents(whole, { after: undefined, size: 1 }, strongly());
      const second = await reads.database.listEvents(whole, { after: first.next, size: 10 }, byDefault());
      expect(versionsOf(second)).toEqual([2n]);
      expect(second).toMatchObject({ source: 'PRIMARY', next: undefined });
    });
  });

  test('goes on from the replica once that has it', async () => {
    const first = await reads.database.listEvents(whole, { after: undefined, size: 1 }, strongly());
    await until(async () => {
      const second = await reads.database.listEvents(whole, { after: first.next, size: 10 }, byDefault());
      expect(versionsOf(second)).toEqual([2n]);
      return second.source === 'REPLICA';
    });
  });

  test('goes on from the replica without a primary, unless the replica is behind the first page', async () => {
    const alone = await openTestCluster(NOWHERE, [started.database.replicaUrl]);
    try {
      const path = readsWithoutCaches(alone);
      const first = await path.database.listEvents(whole, { after: undefined, size: 1 }, byDefault());
      const second = await path.database.listEvents(whole, { after: first.next, size: 10 }, byDefault());
      expect([first, second].flatMap(versionsOf)).toEqual([1n, 2n]);
      expect(second).toMatchObject({ source: 'REPLICA', stale: true });
      const after = { ...first.next!, firstBeat: 10n ** 12n };
      const error = await path.database.listEvents(whole, { after, size: 10 }, byDefault()).catch((e) => e);
      expect(error).toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    } finally {
      await alone.close();
    }
  });
});
