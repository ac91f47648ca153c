import { getEventListeners } from 'node:events';
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
let failingLists = 0;

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
      if (lists <= failingLists) done(toGrpcError(new InventoryError('QUEUE_FULL', 'Full')));
      else done(null, NO_STOCK as unknown as ListResponse);
    },
  } as never);
  const port = await new Promise((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  onhand = connect(`127.0.0.1:${port}`, { backoff: { firstDelayMs: 1 }, throttle: false });
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
  failingLists = 0;
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

  test('that breaks in its snapshot begins anew, and gives a change again that the new snapshot lacks', async () => {
    const part = say({ stocks: [stock(1n)] });
    watches = [
      { says: [part, change(2n, '')], ends: ['SHUTTING_DOWN', 'Stopping'] },
      { says: [snapshot('c1'), change(2n, 'c2')], ends: 'SILENCE' },
    ];
    const updates = await take(5);
    const kinds = ['snapshot', 'changes', 'interrupted', 'snapshot', 'changes'];
    expect(updates.map(({ kind }) => kind)).toEqual(kinds);
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

  async function take(
    count: number,
    log: StoreLog,
    changeCursor = '',
    signal = new AbortController().signal,
  ): Promise<SyncUpdate['kind'][]> {
    const kinds: SyncUpdate['kind'][] = [];
    for await (const { kind } of onhand.sync({ storeId: 'S', log, changeCursor }, { signal })) {
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

  test('says hello again where a newer stream took over, which may be its own; not for ever', async () => {
    const superseded = { says: [], ends: ['STREAM_SUPERSEDED', 'A newer stream'] as Refusal };
    syncs = [superseded, superseded, { says: [ack(3n, 7n)], ends: 'SILENCE' }];
    const startedMs = performance.now();
    expect(await take(3, logAt(3n, 7n), 'c1')).toEqual(['interrupted', 'interrupted', 'acknowledged']);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(1_999);
    syncs = [superseded, superseded, superseded];
    await expect(take(3, logAt(3n, 7n), 'c1')).rejects.toMatchObject({ reason: 'STREAM_SUPERSEDED' });
  });

  test('sends again what the service has and the store was not told of', async () => {
    const log = { ...logAt(3n, 7n), firstSequence: 6n, message: (sequence: bigint) => messageOf(sequence) };
    const sent: bigint[] = [];
    const messageOf = (sequence: bigint) => {
      sent.push(sequence);
      return sequence > 7n ? undefined : [];
    };
    syncs = [{ says: [ack(3n, 7n)], ends: 'SILENCE' }];
    for await (const update of onhand.sync({ storeId: 'S', log, changeCursor: 'c1' })) {
      expect(update).toMatchObject({ kind: 'acknowledged', sequence: 5n, results: [] });
      break;
    }
    expect(sent).toEqual([]);
    syncs = [{ says: [ack(3n, 7n), ack(3n, 6n), ack(3n, 7n)], ends: 'SILENCE' }];
    const sequences: bigint[] = [];
    for await (const update of onhand.sync({ storeId: 'S', log, changeCursor: 'c1' })) {
      if (update.kind === 'acknowledged') sequences.push(update.sequence);
      if (sequences.length === 3) break;
    }
    expect(sequences).toEqual([5n, 6n, 7n]);
    expect(sent.slice(0, 2)).toEqual([6n, 7n]);
  });

  test('leaves nothing behind of streams whose snapshot failed', async () => {
    const ending = new AbortController();
    failingLists = 5;
    syncs = Array.from({ length: 6 }, () => ({ says: [ack(3n, 7n), changed('c2')], ends: 'SILENCE' }));
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
    syncs = [{ says: [ack(3n, 7n)], ends: 'SILENCE' }];
    await expect(take(2, broken, 'c1')).rejects.toThrow('The disk is full');
  });

  test('that the service does not serve is refused', async () => {
    syncs = [{ says: [], ends: ['UNIMPLEMENTED', 'Not here'] }];
    await expect(take(1, logAt(3n, 7n))).rejects.toBeInstanceOf(OnhandError);
  });
});
