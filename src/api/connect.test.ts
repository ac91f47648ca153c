import { connect } from 'node:net';
import type { Transport as ConnectTransport } from '@connectrpc/connect';
import { ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { poll } from '../dev/poll.js';
import { ErrorInfoSchema } from '../gen/connect/google/rpc/error_details_pb.js';
import { InventoryService } from '../gen/connect/inventory/v1/inventory_service_pb.js';
import { Callers, grpcFrame } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;
let callers: Callers;

beforeAll(async () => {
  started = await startTestApi();
  callers = new Callers(started.grpcAddress, started.httpUrl);
});

afterAll(async () => {
  callers.grpc.close();
  await started.stop();
});

const HUGE = 'x'.repeat(256 * 1024);

describe('clients of the libraries', () => {
  const transports: [string, () => ConnectTransport][] = [
    ['Connect, JSON', () => createConnectTransport({ baseUrl: started.httpUrl, httpVersion: '1.1' })],
    [
      'Connect, binary',
      () => createConnectTransport({ baseUrl: started.httpUrl, httpVersion: '1.1', useBinaryFormat: true }),
    ],
    ['gRPC-Web', () => createGrpcWebTransport({ baseUrl: started.httpUrl, httpVersion: '1.1' })],
  ];

  test.each(transports)('%s', async (_name, transport) => {
    const client = createClient(InventoryService, transport());
    const key = await callers.stockOf(4);
    expect(await client.sell({ ...key, quantity: 4 })).toMatchObject({ stock: { quantity: 0, version: 2n } });
    const reasonOf = async (call: Promise<unknown>) => {
      const error = ConnectError.from(await call.catch((reason: unknown) => reason));
      return error.findDetails(ErrorInfoSchema).map((info) => info.reason);
    };
    expect(await reasonOf(client.sell({ ...key, quantity: 1 }))).toEqual(['INSUFFICIENT_STOCK']);
    expect(await reasonOf(client.sell({ ...key, storeId: HUGE }))).toEqual(['MESSAGE_TOO_LARGE']);
    expect(await reasonOf(client.apply({}))).toEqual(['INVALID_FIELD']);
    const watched = async () => {
      for await (const _ of client.watch({})) break;
    };
    expect(await reasonOf(watched())).toEqual(['INVALID_FIELD']);
    expect(await reasonOf(client.get({ ...key }, { timeoutMs: 1 }))).not.toEqual(['INTERNAL']);
  });

  test('bytes that are no message, over Connect and gRPC-Web', async () => {
    const truncated = Buffer.from([0x0a, 0xff]);
    for (const [rpc, type, body] of [
      ['Get', 'application/proto', truncated],
      ['Get', 'application/grpc-web+proto', grpcFrame(0, truncated)],
      ['Watch', 'application/connect+json', grpcFrame(0, Buffer.from('{nope'))],
      ['Watch', 'application/connect+json', Buffer.from('junk')],
      ['Watch', 'application/connect+proto', grpcFrame(0, truncated)],
      ['Watch', 'application/grpc-web+proto', grpcFrame(0, truncated)],
    ] as const) {
      const init = { method: 'POST', headers: { 'content-type': type }, body };
      const response = await fetch(`${started.httpUrl}/inventory.v1.InventoryService/${rpc}`, init);
      const text = await response.text();
      const details = /(?:"value":"|details-bin: )([\w+/]+)/.exec(text)?.[1] ?? '';
      expect(Buffer.from(details, 'base64').toString()).toContain('MALFORMED_MESSAGE');
      expect(text).toMatch(/"code":"invalid_argument"|grpc-status: 3\r/);
    }
  });

  test('a request that breaks off is not taken for a defect', async () => {
    const socket = connect(started.api.httpPort, '127.0.0.1');
    const head = [
      'POST /inventory.v1.InventoryService/BatchGet HTTP/1.1',
      'Host: x',
      'Content-Type: application/json',
    ];
    socket.write([...head, 'Content-Length: 100', '', '{"keys"'].join('\r\n'), () => socket.destroy());
    const counted = await poll(async () => {
      const text = await started.metrics.registry.metrics();
      return /onhand_requests_total\{method="BatchGet",transport="connect",(.*)\}/.exec(text)?.[1];
    }, 5_000);
    expect(counted).toBe('code="INVALID_ARGUMENT",reason="MALFORMED_MESSAGE"');
  });

  test('Sync is served over native gRPC only, and names what else there is', async () => {
    for (const type of ['application/connect+json', 'application/grpc-web+proto']) {
      const init = {
        method: 'POST',
        headers: { 'content-type': type },
        body: grpcFrame(0, Buffer.from('{}')),
      };
      const response = await fetch(`${started.httpUrl}/inventory.v1.InventoryService/Sync`, init);
      const text = decodeURIComponent(await response.text());
      expect(text).toMatch(/"code":"unimplemented"|grpc-status: 12\r/);
      expect(text).toContain('Apply sends the same operations');
    }
  });
});
