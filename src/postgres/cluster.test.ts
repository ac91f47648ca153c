import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import { openTestCluster, until } from '../reads/started-reads.js';
import type { Cluster } from './cluster.js';

describe("the primary's clock was set back by an hour", () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  /** The newest beat is from an hour ahead, as the clock tells now. */
  const setBack = async (): Promise<bigint> => {
    const statement = `UPDATE heartbeat SET n = n + 1, time = clock_timestamp() + interval '1 hour' RETURNING n`;
    const { rows } = await withConnection(database.url, (client) => client.query(statement));
    return BigInt(rows[0].n);
  };

  async function expectBeatAfter(cluster: Cluster, beat: bigint): Promise<void> {
    await until(async () => cluster.beats.newest > beat && cluster.writable);
    expect(cluster.beats.newestAgeMs).toBeLessThan(2_000);
  }

  test('and it is written to as soon as it has a new beat, which comes at the next look', async () => {
    const cluster = await openTestCluster(database.url, []);
    try {
      expect(cluster.writable).toBe(true);
      await expectBeatAfter(cluster, await setBack());
    } finally {
      await cluster.close();
    }
  });

  test('before the process was started', async () => {
    const beat = await setBack();
    const cluster = await openTestCluster(database.url, []);
    try {
      await expectBeatAfter(cluster, beat);
    } finally {
      await cluster.close();
    }
  });
});
