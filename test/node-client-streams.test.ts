import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  connect,
  type Onhand,
  OnhandError,
  type StoreLog,
  type SyncUpdate,
  type WatchUpdate,
} from '@onhand/client';
import { toGrpcError } from '../src/api/error-details.js';
import { InventoryError } from '../src/domain/errors.js';
import {
  InventoryServiceService,
  type ListResponse,
  type SyncRequest,
  type SyncResponse,
  type WatchRequest,
  type WatchResponse,
} from '../src/gen/grpc/inventory/v1/inventory_service.js';

/** A server that ends streams as the test says: what the client makes of every end there is. */

type Refusal = ConstructorParameters<typeof InventoryError>;
/** One stream: what it says, and how it ends; 'SILENCE' stays open. */
type Play<Message> = { readonly says: readonly Message[]; readonly ends: Refusal | 'SILENCE' | 'OK' };

const server = new Server();
let onhand: Onhand;
let watches: Play<WatchResponse>[] = [];
let syncs: Play<SyncResponse>[] = [];
let watched: WatchRequest[] = [];
let hellos: SyncRequest[] = [];
let lists = 0;

const NO_STOCK = { stocks: [], nextPageToken: '', source: 4, cached: false, maxAgeMs: 0, stale: false };

beforeAll(async () => {
  const play = <Message>(
    call: ServerWritableStream<unknown, Message> | ServerDuplexStream<unknown, Message>,
    { says, ends }: Play<Message>,
  ) => {
    for (const message of says) call.write(message);
    if (ends === 'OK') call.end();
    else if (ends !== 'SILENCE') call.emit('error', toGrpcError(new InventoryError(...ends)));
  };
  server.addService(InventoryServiceService, {
    watch: (call: ServerWritableStream<WatchRequest, WatchResponse>) => {
      watched.push(call.request);
      play(call, watches.shift() ?? { says: [], ends: 'SILENCE' });
    },
    sync: (call: ServerDuplexStream<SyncRequest, SyncResponse>) => {
      call.on('data', (message: SyncRequest) => {
        if (message.sequence > 0n) return;
        hellos.push(message);
        play(call, syncs.shift() ?? { says: [], ends: 'SILENCE' });
      });
    },
    list: (_call: ServerUnaryCall<unknown, ListResponse>, done: sendUnaryData<ListResponse>) => {
      lists++;
      done(null, NO_STOCK as unknown as ListResponse);
    },
  } as never);
  const port = await new Promise((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  onhand = connect(`127.0.0.1:${port}`, { backoff: { firstDelayMs: 1 } });
});

afterAll(() => {
  onhand.close();
  server.forceShutdown();
});

beforeEach(() => {
  watches = [];
  syncs = [];
  watched = [];
  hellos = [];
  lists = 0;
});

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

describe('a watch', () => {
  /** All updates, up to so many. */
  async function take(count: number, options = {}, cursor = ''): Promise<WatchUpdate[]> {
    const updates: WatchUpdate[] = [];
    for await (const update of onhand.watch({ storeId: 'S', cursor }, options)) {
      updates.push(update);
      if (updates.length === count) break;
    }
    return updates;
  }

  test('that cannot go on begins with a snapshot again, and says so', async () => {
    watches = [
      { says: [snapshot('c1'), change(2n, 'c2')], ends: ['RESYNC', 'Too far behind'] },
      { says: [snapshot('c9'), change(2n, 'c10')], ends: 'SILENCE' },
    ];
    const updates = await take(5);
    expect(updates.map(({ kind }) => kind)).toEqual(['snapshot', 'changes', 'resync', 'snapshot', 'changes']);
    expect(updates[2]).toMatchObject({ error: { reason: 'RESYNC' } });
    expect(watched.map(({ cursor }) => cursor)).toEqual(['', '']);
  });

  test.each([
    ['is about to stop', ['SHUTTING_DOWN', 'Stopping'] as Refusal],
    ['has lost its database', ['DATABASE_UNAVAILABLE', 'Away'] as Refusal],
    ['has too many streams', ['QUEUE_FULL', 'Full'] as Refusal],
    ['ends the stream', 'OK' as const],
  ])('goes on from its cursor where the service %s, each change once', async (_, ends) => {
    watches = [
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
    expect(watched.map(({ cursor }) => cursor)).toEqual(['', 'c2']);
  });

  test('goes on where the service is silent', async () => {
    watches = [
      { says: [snapshot('c1')], ends: 'SILENCE' },
      { says: [change(2n, 'c2')], ends: 'SILENCE' },
    ];
    const updates = await take(3, { silenceMs: 300 });
    expect(updates.map(({ kind }) => kind)).toEqual(['snapshot', 'interrupted', 'changes']);
    expect(updates[1]).toMatchObject({ error: { message: 'There was no sign of life for 0.3 s' } });
  });

  test("the caller's own time between two updates is no silence", async () => {
    watches = [{ says: [snapshot('c1'), change(2n, 'c2')], ends: 'SILENCE' }];
    const kinds: string[] = [];
    for await (const { kind } of onhand.watch({ storeId: 'S' }, { silenceMs: 200 })) {
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

  test('with a wrong cursor or filter is refused', async () => {
    watches = [{ says: [], ends: wrong('cursor') }];
    await expect(take(1, {}, 'mine')).rejects.toMatchObject({ reason: 'INVALID_FIELD' });
    watches = [{ says: [], ends: wrong('storeId') }];
    await expect(take(1)).rejects.toMatchObject({ reason: 'INVALID_FIELD' });
  });

  test('whose cursor another version of the service refuses begins anew', async () => {
    watches = [
      { says: [snapshot('c1')], ends: ['SHUTTING_DOWN', 'Stopping'] },
      { says: [], ends: wrong('cursor') },
      { says: [snapshot('c2')], ends: 'SILENCE' },
    ];
    const updates = await take(4);
    expect(updates.map(({ kind }) => kind)).toEqual(['snapshot', 'interrupted', 'resync', 'snapshot']);
  });
});

describe('a sync', () => {
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

  async function take(count: number, log: StoreLog, changeCursor = ''): Promise<SyncUpdate['kind'][]> {
    const kinds: SyncUpdate['kind'][] = [];
    for await (const { kind } of onhand.sync({ storeId: 'S', log, changeCursor })) {
      kinds.push(kind);
      if (kinds.length === count) break;
    }
    return kinds;
  }

  test('whose changes cannot all be given any more begins with a snapshot', async () => {
    const log = logAt(3n, 7n);
    syncs = [
      { says: [ack(3n, 7n)], ends: ['RESYNC', 'Too far behind'] },
      { says: [ack(3n, 7n), changed('c2')], ends: 'SILENCE' },
    ];
    expect(await take(4, log, 'c1')).toEqual(['acknowledged', 'resync', 'acknowledged', 'snapshot']);
    expect(hellos.map(({ changeCursor }) => changeCursor)).toEqual(['c1', '']);
    expect(lists).toBe(1);
  });

  test.each([
    ['EPOCH_SUPERSEDED', ['EPOCH_SUPERSEDED', 'A newer one'] as Refusal],
    ['LOG_FORKED', ['LOG_FORKED', 'Other operations'] as Refusal],
  ])('asks for a new epoch after %s', async (_, ends) => {
    const log = logAt(3n, 7n);
    syncs = [
      { says: [], ends },
      { says: [ack(8n, 0n), changed('c2')], ends: 'SILENCE' },
    ];
    expect(await take(4, log, 'c1')).toEqual(['interrupted', 'epoch', 'acknowledged', 'snapshot']);
    expect(hellos.map(({ epoch, changeCursor }) => [epoch, changeCursor])).toEqual([
      [3n, 'c1'],
      [0n, ''],
    ]);
    expect(log.begun).toEqual([8n]);
  });

  test('goes on in its epoch after a gap', async () => {
    syncs = [
      { says: [ack(3n, 7n)], ends: ['SEQUENCE_GAP', 'A gap', { metadata: { expected_sequence: '8' } }] },
      { says: [ack(3n, 7n)], ends: 'SILENCE' },
    ];
    expect(await take(3, logAt(3n, 7n), 'c1')).toEqual(['acknowledged', 'interrupted', 'acknowledged']);
    expect(hellos.map(({ epoch }) => epoch)).toEqual([3n, 3n]);
  });

  test('a log that fails ends it with its own error', async () => {
    const broken = { ...logAt(3n, 7n), message: () => Promise.reject(new Error('The disk is full')) };
    syncs = [{ says: [ack(3n, 7n)], ends: 'SILENCE' }];
    await expect(take(2, broken, 'c1')).rejects.toThrow('The disk is full');
  });

  test('that the service does not serve is refused', async () => {
    syncs = [{ says: [], ends: ['UNIMPLEMENTED', 'Not here'] }];
    await expect(take(1, logAt(3n, 7n))).rejects.toBeInstanceOf(OnhandError);
  });
});
