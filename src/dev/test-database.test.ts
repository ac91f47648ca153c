import { expect, test } from '@jest/globals';
import { withConnection } from './postgres-session.js';
import { createTestDatabase } from './test-database.js';

test('every test database has the schema, on the primary and on the replica, and goes away', async () => {
  const databases = await Promise.all([createTestDatabase(), createTestDatabase(), createTestDatabase()]);
  expect(new Set(databases.map((database) => database.name)).size).toBe(3);
  for (const { url, replicaUrl } of databases) {
    await withConnection(url, (client) => client.query('SELECT FROM stock'));
    const { rows } = await withConnection(replicaUrl, (client) =>
      client.query(`SELECT pg_is_in_recovery() AS replica, to_regclass('event_log')::text AS log`),
    );
    expect(rows).toEqual([{ replica: true, log: 'event_log' }]);
  }
  await Promise.all(databases.map((database) => database.drop()));
  for (const { url } of databases) {
    await expect(withConnection(url, (client) => client.query('SELECT 1'))).rejects.toMatchObject({
      code: '3D000',
    });
  }
});

test('it is a server as durable as in production', async () => {
  const { url, drop } = await createTestDatabase();
  const { rows } = await withConnection(url, (client) =>
    client.query(
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'TimeZone',
         'deadlock_timeout', 'hot_standby_feedback', 'server_encoding') ORDER BY name`,
    ),
  );
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    deadlock_timeout: '200',
    fsync: 'on',
    full_page_writes: 'on',
    hot_standby_feedback: 'off',
    server_encoding: 'UTF8',
    synchronous_commit: 'on',
    TimeZone: 'UTC',
  });
  await drop();
});
