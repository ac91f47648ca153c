import { getEventListeners } from 'node:events';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { OnhandError, type StoreLog, type SyncUpdate } from '@onhand/client';
import type { SyncResponse } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { type Refusal, ScriptedService } from './scripted-service.js';

/** What a sync makes of every end that a stream can have. */

let service: ScriptedService;

beforeAll(async () => {
  service = await ScriptedService.start();
});

beforeEach(() => service.forget());

afterAll(() => service?.stop());

/** A log in memory, of no operations, at this place. */
const logAt = (epoch: bigint, lastSequence: bigint): StoreLog & { begun: bigint[] } => ({
  ...{ epoch, lastSequence, firstSequence: lastSequence + 1n, begun: [] },
  begin(next) {
    this.begun.push(next);
    Object.assign(this, { epoch: next, lastSequence: 0n, firstSequence: 1n });
  },
  message: () => undefined,
  more: (signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
});
const ack = (epoch: bigint, ackedSequence: bigint): SyncResponse => ({
  ack: { epoch, ackedSequence, results: [], replayed: false },
});
const changed = (changeCursor: string): SyncResponse => ({
  change: { stocks: [], includedSequence: 0n, changeCursor },
});

async function take(
  count: number,
  log: StoreLog,
  changeCursor = '',
  signal = new AbortController().signal,
): Promise<SyncUpdate['kind'][]> {
  const kinds: SyncUpdate['kind'][] = [];
  for await (const { kind } of service.onhand.sync({ storeId: 'S', log, changeCursor }, { signal })) {
    kinds.push(kind);
    if (kinds.length === count) break;
  }
  return kinds;
}

test('a sync whose changes cannot all be given any more begins with a snapshot', async () => {
  const log = logAt(3n, 7n);
  service.syncs = [
    { says: [ack(3n, 7n)], ends: ['RESYNC', 'Too far behind'] },
    { says: [ack(3n, 7n), changed('c2')], ends: 'SILENCE' },
  ];
  expect(await take(4, log, 'c1')).toEqual(['acknowledged', 'resync', 'acknowledged', 'snapshot']);
  expect(service.hellos.map(({ changeCursor }) => changeCursor)).toEqual(['c1', '']);
  expect(service.lists).toBe(1);
});

test.each([
  ['EPOCH_SUPERSEDED', ['EPOCH_SUPERSEDED', 'A newer one'] as Refusal],
  ['LOG_FORKED', ['LOG_FORKED', 'Other operations'] as Refusal],
])('asks for a new epoch after %s', async (_, ends) => {
  const log = logAt(3n, 7n);
  service.syncs = [
    { says: [], ends },
    { says: [ack(8n, 0n), changed('c2')], ends: 'SILENCE' },
  ];
  expect(await take(4, log, 'c1')).toEqual(['interrupted', 'epoch', 'acknowledged', 'snapshot']);
  expect(service.hellos.map(({ epoch, changeCursor }) => [epoch, changeCursor])).toEqual([
    [3n, 'c1'],
    [0n, ''],
  ]);
  expect(log.begun).toEqual([8n]);
});

test('a sync goes on in its epoch after a gap', async () => {
  service.syncs = [
    { says: [ack(3n, 7n)], ends: ['SEQUENCE_GAP', 'A gap', { metadata: { expected_sequence: '8' } }] },
    { says: [ack(3n, 7n)], ends: 'SILENCE' },
  ];
  expect(await take(3, logAt(3n, 7n), 'c1')).toEqual(['acknowledged', 'interrupted', 'acknowledged']);
  expect(service.hellos.map(({ epoch }) => epoch)).toEqual([3n, 3n]);
});

test('a sync says hello again where a newer stream took over, which may be its own; not for ever', async () => {
  const superseded = { says: [], ends: ['STREAM_SUPERSEDED', 'A newer stream'] as Refusal };
  service.syncs = [superseded, superseded, { says: [ack(3n, 7n)], ends: 'SILENCE' }];
  const startedMs = performance.now();
  expect(await take(3, logAt(3n, 7n), 'c1')).toEqual(['interrupted', 'interrupted', 'acknowledged']);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(1_999);
  service.syncs = [superseded, superseded, superseded];
  await expect(take(3, logAt(3n, 7n), 'c1')).rejects.toMatchObject({ reason: 'STREAM_SUPERSEDED' });
});

test('a sync sends again what the service has and the store was not told of', async () => {
  const log = { ...logAt(3n, 7n), firstSequence: 6n, message: (sequence: bigint) => messageOf(sequence) };
  const sent: bigint[] = [];
  const messageOf = (sequence: bigint) => {
    sent.push(sequence);
    return sequence > 7n ? undefined : [];
  };
  service.syncs = [{ says: [ack(3n, 7n)], ends: 'SILENCE' }];
  for await (const update of service.onhand.sync({ storeId: 'S', log, changeCursor: 'c1' })) {
    expect(update).toMatchObject({ kind: 'acknowledged', sequence: 5n, results: [] });
    break;
  }
  expect(sent).toEqual([]);
  service.syncs = [{ says: [ack(3n, 7n), ack(3n, 6n), ack(3n, 7n)], ends: 'SILENCE' }];
  const sequences: bigint[] = [];
  for await (const update of service.onhand.sync({ storeId: 'S', log, changeCursor: 'c1' })) {
    if (update.kind === 'acknowledged') sequences.push(update.sequence);
    if (sequences.length === 3) break;
  }
  expect(sequences).toEqual([5n, 6n, 7n]);
  expect(sent.slice(0, 2)).toEqual([6n, 7n]);
});

test('a sync leaves nothing behind of streams whose snapshot failed', async () => {
  const ending = new AbortController();
  service.failingLists = 5;
  service.syncs = Array.from({ length: 6 }, () => ({ says: [ack(3n, 7n), changed('c2')], ends: 'SILENCE' }));
  const kinds = await take(12, logAt(3n, 7n), '', ending.signal);
  expect(kinds.filter((kind) => kind === 'interrupted')).toHaveLength(5);
  expect(kinds).toContain('snapshot');
  expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
});

test('a log that fails before anything is sent ends it with its own error', async () => {
  const broken = { ...logAt(3n, 7n) };
  let asked = 0;
  Object.defineProperty(broken, 'epoch', {
    get: () => {
      if (asked++ === 0) return 3n;
      throw new Error('The disk is gone');
    },
  });
  await expect(take(1, broken, 'c1')).rejects.toThrow('The disk is gone');
});

test('a log that fails ends it with its own error', async () => {
  const broken = { ...logAt(3n, 7n), message: () => Promise.reject(new Error('The disk is full')) };
  service.syncs = [{ says: [ack(3n, 7n)], ends: 'SILENCE' }];
  await expect(take(2, broken, 'c1')).rejects.toThrow('The disk is full');
});

test('a sync that the service does not serve is refused', async () => {
  service.syncs = [{ says: [], ends: ['UNIMPLEMENTED', 'Not here'] }];
  await expect(take(1, logAt(3n, 7n))).rejects.toBeInstanceOf(OnhandError);
});
