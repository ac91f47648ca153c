import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { decodeRecords, type LogRecord, type StoreOperation } from '../../bench/stores/log-records.js';
import { withConnection } from '../../src/dev/postgres-session.js';

/** A store's log. */
export interface StoreFile {
  readonly storeId: string;
  readonly path: string;
}

const recordsOf = (path: string): LogRecord[] => decodeRecords(readFileSync(path)).records;

const operationsOf = (records: readonly LogRecord[]): StoreOperation[] =>
  records.flatMap((record) => (record.kind === 'operation' ? [record.operation] : []));

/** Operations of a log that was given one epoch so far, which the store was told are durable. */
export function acknowledgedIn(path: string): StoreOperation[] {
  const records = recordsOf(path);
  if (records.filter(({ kind }) => kind === 'epoch').length > 1) throw new Error(`${path} began anew`);
  const told = records.map((record) => (record.kind === 'acknowledged' ? record.sequence : 0));
  const acknowledged = Math.max(0, ...told);
  const counts = records.map((record) =>
    record.kind === 'message' && record.sequence <= acknowledged ? record.count : 0,
  );
  return operationsOf(records).slice(
    0,
    counts.reduce((sum, count) => sum + count, 0),
  );
}

const requestedBy = ({ type, quantity }: StoreOperation): number => (type === 'SALE' ? -quantity : quantity);

/** Every operation of every store is exactly one event, and the sums are the same. @returns how many there are */
export async function expectEachOnce(databaseUrl: string, files: readonly StoreFile[]): Promise<number> {
  const { rows } = await withConnection(databaseUrl, (client) =>
    client.query<{ store: string; ids: string[]; requested: number }>(
      `SELECT store_id AS store, array_agg(event_id::text) AS ids, sum(requested_delta)::int AS requested
       FROM event_log WHERE origin = 'SYNC' GROUP BY store_id`,
    ),
  );
  const recorded = new Map(rows.map((row) => [row.store, row]));
  let count = 0;
  for (const { storeId, path } of files) {
    const operations = operationsOf(recordsOf(path));
    const { ids = [], requested } = recorded.get(storeId) ?? {};
    expect(ids.sort()).toEqual(operations.map(({ eventId }) => eventId).sort());
    expect(requested).toBe(operations.reduce((sum, operation) => sum + requestedBy(operation), 0));
    count += operations.length;
  }
  return count;
}

/** Operations of stores that were counts, and that changed nothing since a count had seen them. */
export async function countsAmong(databaseUrl: string): Promise<{ absorbed: number; counts: number }> {
  const { rows } = await withConnection(databaseUrl, (client) =>
    client.query<{ absorbed: number; counts: number }>(
      `SELECT count(*) FILTER (WHERE effect = 'ABSORBED')::int AS absorbed, count(*) FILTER (WHERE type = 'COUNT')::int AS counts
       FROM event_log WHERE origin = 'SYNC'`,
    ),
  );
  return rows[0]!;
}
