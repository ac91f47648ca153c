import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { poll } from '../dev/poll.js';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { InventoryError } from '../domain/errors.js';
import type { StockKey } from '../domain/types.js';
import { LEDGER_SESSION_SETTINGS, Ledger } from '../ledger/ledger.js';
import { Cluster } from '../postgres/cluster.js';
import { ReadPath } from './read-path.js';

const LIMITS = { max: 4, min: 0, idleMs: 10_000, lifetimeMs: 60_000 };
const NOWHERE = 'postgresql://postgres@127.0.0.1:1/nowhere';

let database: TestDatabase;
let cluster: Cluster;
let ledger: Ledger;
let reads: ReadPath;

const openCluster = async (primaryUrl: string, replicaUrls: readonly string[]): Promise<Cluster> => {
  const opened = new Cluster({
    primaryUrl,
    replicaUrls,
    limits: LIMITS,
    writeSettings: LEDGER_SESSION_SETTINGS,
    onError: () => undefined,
  });
  await opened.heartbeat.start();
  return opened;
};

const inFiveSeconds = () => performance.now() + 5_000;
const byDefault = () => ({ strong: false, deadlineMs: inFiveSeconds() });
const strongly = () => ({ strong: true, deadlineMs: inFiveSeconds() });

const restock = async ({ storeId, productId }: StockKey, quantity: number): Promise<bigint> => {
  const command = { storeId, productId, quantity, type: 'RESTOCK', eventId: uuidv7(), metadata: {} } as const;
  const more = { occurredTimeUs: undefined, actor: 'test', origin: 'SYSTEM' } as const;
  const outcome = await ledger.submit({ ...command, ...more }, inFiveSeconds());
  if (outcome.kind !== 'DECIDED') throw new Error(outcome.kind);
  return outcome.event.version;
};

const onReplica = (statement: string) =>
  withConnection(database.replicaUrl, (client) => client.query(statement));

/** Waits, within bounds, until the condition holds. */
const until = async (condition: () => Promise<boolean>): Promise<void> => {
  expect(await poll(async () => (await condition()) || undefined, 10_000)).toBe(true);
};

/** Runs `work` while the replica takes nothing in. */
const whileReplicaStands = async (work: () => Promise<void>): Promise<void> => {
  await onReplica('SELECT pg_wal_replay_pause()');
  const state = async () =>
    (await onReplica('SELECT pg_get_wal_replay_pause_state() AS state')).rows[0].state;
  try {
    await until(async () => (await state()) === 'paused');
    await work();
  } finally {
    await onReplica('SELECT pg_wal_replay_resume()');
  }
};

/** Waits until the replica answers by default. */
const untilReplicaAnswers = async (key: StockKey): Promise<void> => {
  await until(async () => (await reads.get(key, 0n, byDefault())).source === 'REPLICA');
};

beforeAll(async () => {
  database = await createTestDatabase();
  cluster = await openCluster(database.url, [database.replicaUrl]);
  const observer = { batchCommitted: () => undefined, retried: () => undefined, failed: () => undefined };
  ledger = new Ledger({ pool: cluster.writes, lanes: 2, queueLimit: 1_000, batchLimit: 100, observer });
  reads = new ReadPath(cluster);
});

afterAll(async () => {
  await ledger.drain();
  await cluster.close();
  await database.drop();
});

describe('get', () => {
  const key = { storeId: 'STORE_GET', productId: 'P' };

  test('answers from the replica, with an age that the heartbeat bounds', async () => {
    await restock(key, 5);
    await untilReplicaAnswers(key);
    const answer = await reads.get(key, 0n, byDefault());
    expect(answer).toMatchObject({
      source: 'REPLICA',
      cached: false,
      stale: false,
      stock: { net: 5, version: 1n },
    });
    expect(answer.maxAgeMs).toBeLessThan(5_000);
  });

  test('goes to the primary for a version that the replica has not reached', async () => {
    await untilReplicaAnswers(key);
    await whileReplicaStands(async () => {
      const version = await restock(key, 1);
      const mine = await reads.get(key, version, byDefault());
      expect(mine).toMatchObject({ source: 'PRIMARY', stock: { version } });
      const strong = await reads.get(key, 0n, strongly());
      expect(strong).toMatchObject({ source: 'PRIMARY', stock: { version } });
    });
  });

  test('goes to the primary for a stock that the replica does not know', async () => {
    await whileReplicaStands(async () => {
      const fresh = { storeId: 'STORE_GET', productId: 'JUST_MADE' };
      await restock(fresh, 7);
      expect(await reads.get(fresh, 0n, byDefault())).toMatchObject({ source: 'PRIMARY', stock: { net: 7 } });
    });
  });

  test('passes over a replica that fell more than three beats behind, and comes back to it', async () => {
    await untilReplicaAnswers(key);
    await whileReplicaStands(async () => {
      await until(async () => (await reads.get(key, 0n, byDefault())).source === 'PRIMARY');
    });
    await untilReplicaAnswers(key);
  });

  test('refuses a version that the primary has not reached, and tells the current one', async () => {
    const { stock } = await reads.get(key, 0n, strongly());
    const error = await reads.get(key, stock.version + 1n, byDefault()).catch((e: InventoryError) => e);
    expect(error).toMatchObject({
      reason: 'VERSION_NOT_REACHED',
      metadata: { version: String(stock.version) },
    });
  });

  test('finds nothing where nobody restocked, a placeholder too', async () => {
    await withConnection(database.url, (client) =>
      client.query("INSERT INTO stock (store_id, product_id) VALUES ('STORE_GET', 'PLACEHOLDER')"),
    );
    for (const productId of ['UNKNOWN', 'PLACEHOLDER']) {
      const error = await reads.get({ storeId: 'STORE_GET', productId }, 0n, byDefault()).catch((e) => e);
      expect(error).toMatchObject({ reason: 'STOCK_NOT_FOUND' });
    }
  });
});

describe('without a primary', () => {
  const key = { storeId: 'STORE_ALONE', productId: 'P' };
  let alone: Cluster;

  beforeAll(async () => {
    await restock(key, 3);
    await untilReplicaAnswers(key);
    alone = await openCluster(NOWHERE, [NOWHERE, database.replicaUrl]);
  });
  afterAll(() => alone.close());

  test('default reads go on from the replica that can be reached, and say that they may be stale', async () => {
    const answer = await new ReadPath(alone).get(key, 0n, byDefault());
    expect(answer).toMatchObject({ source: 'REPLICA', stale: true, stock: { net: 3 } });
    expect(alone.heartbeat.writable).toBe(false);
  });

  test('what the replica cannot answer truly is unavailable', async () => {
    const path = new ReadPath(alone);
    for (const read of [path.get(key, 0n, strongly()), path.get(key, 99n, byDefault())]) {
      expect(await read.catch((e) => e)).toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
    }
  });
});

describe('several stocks', () => {
  const storeId = 'STORE_MANY';
  const products = ['A', 'B', 'Z', 'a', 'ä', '😀'];

  beforeAll(async () => {
    for (const productId of products) await restock({ storeId, productId }, 1);
    await restock({ storeId: 'STORE_OTHER', productId: 'A' }, 1);
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
        const page = await reads.list({ storeId }, { after, size }, strongly());
        expect(page.stocks.length).toBeLessThanOrEqual(size);
        seen.push(...page.stocks.map((stock) => stock.productId));
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual(products);
    },
  );

  test('list by product spans the stores; by both it is one stock; of the unknown it is empty', async () => {
    const list = async (filter: Parameters<ReadPath['list']>[0]) =>
      (await reads.list(filter, { after: undefined, size: 10 }, strongly())).stocks.map(
        (stock) => stock.storeId,
      );
    expect(await list({ productId: 'A' })).toEqual([storeId, 'STORE_OTHER']);
    expect(await list({ storeId, productId: 'A' })).toEqual([storeId]);
    expect(await list({ storeId: 'NOBODY' })).toEqual([]);
  });
});
