import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  InventoryServiceService,
  type WatchRequest,
  type WatchResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import { InventoryClient } from './inventory-client.js';
import { followChanges } from './watch-stream.js';

type Call = ServerWritableStream<WatchRequest, WatchResponse>;

/** What the service does with one stream after the other; it keeps the last one open. */
let streams: ((call: Call) => void)[];
let cursors: string[];
let server: Server;
let client: InventoryClient;
let ending: AbortController;

beforeEach(async () => {
  [streams, cursors, ending] = [[], [], new AbortController()];
  server = new Server();
  const watch = (call: Call) => {
    cursors.push(call.request.cursor);
    streams.shift()?.(call);
  };
  server.addService(InventoryServiceService, { watch });
  const port = await new Promise<number>((resolve, reject) => {
    const done = (error: Error | null, bound: number) => (error ? reject(error) : resolve(bound));
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), done);
  });
  client = new InventoryClient(`127.0.0.1:${port}`);
});

afterEach(() => {
  client.close();
  server.forceShutdown();
});

const answer = (cursor: string): WatchResponse => ({
  ...{ cursor, stocks: [], changes: [], watermark: undefined, snapshotComplete: false },
});
const thenFail = (cursor: string, code: status) => (call: Call) => {
  call.write(answer(cursor));
  call.emit('error', { code, details: 'no' });
};
const give = (cursor: string) => (call: Call) => void call.write(answer(cursor));

/** Follows until the message with this cursor has come. @returns all that was told, in its order. */
async function toldUntil(last: string, cursor = '', silenceMs?: number): Promise<string[]> {
  const told: string[] = [];
  const notes = {
    lost: () => void told.push('lost'),
    startsAnew: () => void told.push('anew'),
  };
  const request = { storeId: 'S', productIds: [], cursor };
  for await (const message of followChanges(client, request, { signal: ending.signal, notes, silenceMs })) {
    told.push(message.cursor);
    if (message.cursor === last) ending.abort();
  }
  return told;
}

test('each stream goes on from the newest cursor, whatever cut off the one before', async () => {
  streams = [
    thenFail('1', status.UNAVAILABLE),
    thenFail('', status.INTERNAL),
    (call) => call.end(),
    thenFail('2', status.CANCELLED),
    thenFail('3', status.RESOURCE_EXHAUSTED),
    give('4'),
  ];
  expect(await toldUntil('4', '0')).toEqual(['1', 'lost', '', 'lost', 'lost', '2', 'lost', '3', 'lost', '4']);
  expect(cursors).toEqual(['0', '1', '1', '1', '2', '3']);
});

test('a stream that has fallen silent is given up', async () => {
  streams = [give('1'), () => undefined, give('2')];
  expect(await toldUntil('2', '', 300)).toEqual(['1', 'lost', 'lost', '2']);
  expect(cursors).toEqual(['', '1', '1']);
});

test('what no other try helps ends it', async () => {
  streams = [thenFail('1', status.UNAVAILABLE), thenFail('2', status.PERMISSION_DENIED)];
  await expect(toldUntil('never')).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  expect(cursors).toEqual(['', '1']);
});

test('who leaves cancels the stream', async () => {
  const cancelled = new Promise((resolve) => {
    streams = [
      (call) => {
        call.on('cancelled', resolve);
        call.write(answer('1'));
      },
    ];
  });
  for await (const _message of client.stream(
    'Watch',
    { storeId: 'S', productIds: [], cursor: '' },
    { signal: ending.signal, silenceMs: 15_000 },
  ))
    break;
  await cancelled;
});
