import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import { takeReplica } from '../dev/test-database.js';
import type { ReadPath } from './read-path.js';
import { byDefault, StartedReads, until } from './started-reads.js';

const KEY = { storeId: 'STORE_SEARCH', productId: 'P' };
/** After so long the primary gives up to wait for the lock of a table. */
const LOCK_TIMEOUT_MS = 500;
const inHaste = () => ({ strong: false, deadlineMs: performance.now() + 80 });

let giveReplicaFree: () => Promise<void>;
let started: StartedReads;
let reads: ReadPath;

beforeAll(async () => {
  giveReplicaFree = await takeReplica();
  started = await StartedReads.start();
  reads = started.reads;
  await started.restock(KEY, 1);
  await started.untilReplicaAnswers(KEY);
});

afterAll(async () => {
  await started?.stop();
  await giveReplicaFree?.();
});

const onPrimary = (statement: string) => withConnection(started.database.url, (c) => c.query(statement));

/** Runs `work` while a replica that is passed over for its age is the only other server. */
const whileReplicaIsBehind = (work: () => Promise<void>) =>
  started.whileReplicaStands(async () => {
    await until(async () => (await reads.get(KEY, 0n, byDefault())).source === 'PRIMARY');
    await work();
  });

/** The sessions of the primary that reads of callers run in. */
async function sessions(): Promise<number[]> {
  const { rows } = await onPrimary(`SELECT pid FROM pg_stat_activity
    WHERE application_name = 'onhand reads' AND datname = current_database() ORDER BY pid`);
  return rows.map(({ pid }) => pid);
}

/** Runs `work` while reads of stocks wait at the primary. */
const whilePrimaryWaits = (work: () => Promise<void>) =>
  withConnection(started.database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('LOCK TABLE stock');
    await work();
    await client.query('ROLLBACK');
  });

test('a primary that takes longer than a caller has answers those who have more time, over the same connection', async () => {
  await whileReplicaIsBehind(async () => {
    const before = await sessions();
    await whilePrimaryWaits(async () => {
      expect(await reads.get(KEY, 0n, inHaste())).toMatchObject({ source: 'REPLICA' });
    });
    expect(await reads.get(KEY, 0n, byDefault())).toMatchObject({ source: 'PRIMARY' });
    expect(before).not.toEqual([]);
    expect(await sessions()).toEqual(expect.arrayContaining(before));
  });
});

test('the age of an answer that was kept while another server was waited for is that of its end', async () => {
  const keys = [KEY, { ...KEY, productId: 'NOBODY_HAS_THIS' }];
  await started.untilReplicaAnswers(KEY);
  await whilePrimaryWaits(async () => {
    const { source, maxAgeMs } = await reads.database.batchGet(keys, byDefault());
    expect(source).toBe('REPLICA');
    expect(maxAgeMs).toBeGreaterThanOrEqual(LOCK_TIMEOUT_MS);
  });
});

test('a primary that failed another read is asked before a stale answer is given', async () => {
  await whileReplicaIsBehind(async () => {
    // How old the replica is cannot be told: its beat is from before the clock was set back.
    const { rows } = await onPrimary(
      "UPDATE heartbeat SET n = n + 1, time = time - interval '1 hour' RETURNING n",
    );
    await until(async () => started.cluster.beats.newest > BigInt(rows[0].n) && started.cluster.writable);
    started.cluster.primary!.rest();
    expect(await reads.get(KEY, 0n, byDefault())).toMatchObject({ source: 'PRIMARY', stale: false });
  });
});
