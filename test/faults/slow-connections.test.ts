import { afterEach, expect, test } from '@jest/globals';
import { poll } from '../../src/dev/poll.js';
import { createPool } from '../../src/postgres/pool.js';
import { Stage } from './stage.js';

const stage = new Stage();

afterEach(() => stage.clear());

test('a connection that takes longer than its caller waits serves the next one, and is not begun anew', async () => {
  const database = await stage.database();
  const proxy = await stage.proxy(database.url);
  proxy.connectDelayMs = 1_500;
  const limits = { max: 1, min: 0, idleMs: 10_000, lifetimeMs: 60_000 };
  const url = proxy.url(database.url);
  const pool = stage.keep(createPool({ url, name: 'slow', limits, onError: () => {} }), (one) => one.end());

  const answer = () => pool.query('SELECT 1 AS one').then(({ rows }) => rows);
  await expect(answer()).rejects.toThrow('no connection within 1000 ms');
  expect(await poll(() => answer().catch(() => undefined), 10_000)).toEqual([{ one: 1 }]);
  const client = await pool.connect();
  expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
  client.release();
  expect(proxy.counts.connections).toBe(1);
});
