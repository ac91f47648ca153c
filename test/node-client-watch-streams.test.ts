import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { WatchUpdate } from '@onhand/client';
import type { WatchResponse } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { type Refusal, ScriptedService } from './scripted-service.js';

/** What a watch makes of every end that a stream can have. */

let service: ScriptedService;

beforeAll(async () => {
  service = await ScriptedService.start();
});

beforeEach(() => service.forget());

afterAll(() => service?.stop());

const stock = (version: bigint) => ({ storeId: 'S', productId: 'P', quantity: 1, oversold: 0, version });

const say = (parts: Partial<WatchResponse>): WatchResponse => ({
  ...{ stocks: [], changes: [], cursor: '', snapshotComplete: false },
  ...parts,
});
const snapshot = (cursor: string) => say({ stocks: [stock(1n)], snapshotComplete: true, cursor });
const change = (version: bigint, cursor: string) =>
  say({
    cursor,
    changes: [
      {
        ...{ stock: stock(version), eventId: '', type: 1, effect: 1, requestedDelta: 0, appliedDelta: 0 },
        ...{ actor: '', origin: 1, skippedVersions: 0n },
      },
    ],
  });

/** All updates, up to so many. */
async function take(count: number, options = {}, cursor = ''): Promise<WatchUpdate[]> {
  const updates: WatchUpdate[] = [];
  for await (const update of service.onhand.watch({ storeId: 'S', cursor }, options)) {
    updates.push(update);
    if (updates.length === count) break;
  }
  return updates;
}

test('a watch that cannot go on begins with a snapshot again, and says so', async () => {
  service.watches = [
    { says: [snapshot('c1'), change(2n, 'c2')], ends: ['RESYNC', 'Too far behind'] },
    { says: [snapshot('c9'), change(2n, 'c10')], ends: 'SILENCE' },
  ];
  const updates = await take(5);
  expect(updates.map(({ kind }) => kind)).toEqual(['snapshot', 'changes', 'resync', 'snapshot', 'changes']);
  expect(updates[2]).toMatchObject({ error: { reason: 'RESYNC' } });
  expect(service.watched.map(({ cursor }) => cursor)).toEqual(['', '']);
});

test.each([
  ['is about to stop', ['SHUTTING_DOWN', 'Stopping'] as Refusal],
  ['has lost its database', ['DATABASE_UNAVAILABLE', 'Away'] as Refusal],
  ['has too many streams', ['QUEUE_FULL', 'Full'] as Refusal],
  ['ends the stream', 'OK' as const],
])('goes on from its cursor where the service %s, each change once', async (_, ends) => {
  service.watches = [
    { says: [snapshot('c1'), change(2n, 'c2')], ends },
    { says: [change(2n, 'c2'), change(3n, 'c3')], ends: 'SILENCE' },
  ];
  const updates = await take(5);
  expect(updates.map(({ kind }) => kind)).toEqual([
    'snapshot',
    'changes',
    'interrupted',
    'current',
    'changes',
  ]);
  expect(service.watched.map(({ cursor }) => cursor)).toEqual(['', 'c2']);
});

test('a watch goes on where the service is silent', async () => {
  service.watches = [
    { says: [snapshot('c1')], ends: 'SILENCE' },
    { says: [change(2n, 'c2')], ends: 'SILENCE' },
  ];
  const updates = await take(3, { silenceMs: 300 });
  expect(updates.map(({ kind }) => kind)).toEqual(['snapshot', 'interrupted', 'changes']);
  expect(updates[1]).toMatchObject({ error: { message: 'There was no sign of life for 0.3 s' } });
});

test('a watch that breaks in its snapshot begins anew, and gives a change again that the new snapshot lacks', async () => {
  const part = say({ stocks: [stock(1n)] });
  service.watches = [
    { says: [part, change(2n, '')], ends: ['SHUTTING_DOWN', 'Stopping'] },
    { says: [snapshot('c1'), change(2n, 'c2')], ends: 'SILENCE' },
  ];
  const updates = await take(5);
  const kinds = ['snapshot', 'changes', 'interrupted', 'snapshot', 'changes'];
  expect(updates.map(({ kind }) => kind)).toEqual(kinds);
});

test("in a watch the caller's own time between two updates is no silence", async () => {
  service.watches = [{ says: [snapshot('c1'), change(2n, 'c2')], ends: 'SILENCE' }];
  const kinds: string[] = [];
  for await (const { kind } of service.onhand.watch({ storeId: 'S' }, { silenceMs: 200 })) {
    kinds.push(kind);
    await new Promise((resolve) => setTimeout(resolve, 400));
    if (kinds.length === 2) break;
  }
  expect(kinds).toEqual(['snapshot', 'changes']);
});

const wrong = (field: string): Refusal => [
  'INVALID_FIELD',
  'Wrong',
  { violations: [{ field, description: 'Wrong' }] },
];

test('a watch with a wrong cursor or filter is refused', async () => {
  service.watches = [{ says: [], ends: wrong('cursor') }];
  await expect(take(1, {}, 'mine')).rejects.toMatchObject({ reason: 'INVALID_FIELD' });
  service.watches = [{ says: [], ends: wrong('storeId') }];
  await expect(take(1)).rejects.toMatchObject({ reason: 'INVALID_FIELD' });
});

test('a watch whose cursor another version of the service refuses begins anew', async () => {
  service.watches = [
    { says: [snapshot('c1')], ends: ['SHUTTING_DOWN', 'Stopping'] },
    { says: [], ends: wrong('cursor') },
    { says: [snapshot('c2')], ends: 'SILENCE' },
  ];
  const updates = await take(4);
  expect(updates.map(({ kind }) => kind)).toEqual(['snapshot', 'interrupted', 'resync', 'snapshot']);
});
