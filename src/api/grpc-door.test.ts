import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '../telemetry/logger.js';
import { createMetrics } from '../telemetry/metrics.js';
import { Calls } from './call.js';
import { Callers } from './callers.js';
import { type GrpcServer, startGrpcServer } from './grpc.js';
import type { Handlers, StreamHandlers } from './rpcs.js';

const KEY = { storeId: 'S', productId: 'P', consistency: 0, minVersion: 0n };
const HEALTH = '/grpc.health.v1.Health/Check';

const metrics = createMetrics();
let admits = true;
let leftMs = 0;
let taken = 0;
let server: GrpcServer;
let callers: Callers;

beforeAll(async () => {
  const get: Handlers['get'] = () => {
    taken++;
    return { stock: undefined, source: 4, cached: false, maxAgeMs: 7, stale: false };
  };
  const handlers = { get } as Partial<Handlers> as Handlers & StreamHandlers;
  server = await startGrpcServer({
    ...{ host: '127.0.0.1', port: 0, turns: { admit } },
    calls: new Calls({ handlers, metrics: metrics.requests, logger: createLogger('silent') }),
    services: [(grpc) => grpc.addService({ check: echo(HEALTH) }, { check: answerItself })],
  });
  callers = new Callers(`127.0.0.1:${server.port}`, '');
});

function admit(ms: number): boolean {
  leftMs = ms;
  return admits;
}

afterAll(async () => {
  callers.grpc.close();
  await server.stop(1_000);
});

const same = (bytes: Buffer) => bytes;
const echo = (path: string) => ({
  ...{ path, requestStream: false, responseStream: false },
  ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
});

function answerItself(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
  callback(null, call.request);
}

test('a call that may not come in is refused with all that an error tells, reaches nothing, and is counted', async () => {
  admits = false;
  expect(await callers.overGrpc('Get', KEY)).toMatchObject({
    ...{ code: 'RESOURCE_EXHAUSTED', reason: 'QUEUE_FULL' },
    message: expect.stringContaining('ask less'),
  });
  expect(taken).toBe(0);
  expect(await metrics.registry.metrics()).toContain(
    'onhand_requests_total{method="Get",transport="grpc",code="RESOURCE_EXHAUSTED",reason="QUEUE_FULL"} 1',
  );
});

test('calls on the same connection go on once they may come in', async () => {
  admits = false;
  const refused = await Promise.all(Array.from({ length: 150 }, () => callers.overGrpc('Get', KEY)));
  expect(refused.every(({ reason }) => reason === 'QUEUE_FULL')).toBe(true);
  admits = true;
  expect(await callers.overGrpc('Get', KEY)).toMatchObject({ maxAgeMs: 7 });
});

test.each([
  ['none', undefined, 5_000, 5_000],
  ['3 s', 3_000, 2_000, 3_000],
  ['an hour', 3_600_000, 30_000, 30_000],
])('it is told how long a call may take: %s', async (_, deadlineMs, atLeastMs, atMostMs) => {
  admits = true;
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  await callers.overGrpc('Get', KEY, options);
  expect(leftMs).toBeGreaterThanOrEqual(atLeastMs);
  expect(leftMs).toBeLessThanOrEqual(atMostMs);
});

test('health checks always come in', async () => {
  admits = false;
  const health = new Promise((resolve, reject) => {
    callers.grpc.makeUnaryRequest(HEALTH, same, same, Buffer.from('ok'), (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    );
  });
  expect(String(await health)).toBe('ok');
});
