import { Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, ErrorReason, type Onhand, OnhandError, SERVICE_REASONS } from '@onhand/client';
import { toGrpcError } from '../src/api/error-details.js';
import { ERROR_REASONS, InventoryError } from '../src/domain/errors.js';
import { ErrorInfo, Status } from '../src/gen/grpc/google/rpc/error_details.js';
import { InventoryServiceService } from '../src/gen/grpc/inventory/v1/inventory_service.js';

/** A server that answers what the test says, and counts: what the client makes of every answer there is. */
type Answer = Partial<ServiceError> | 'silence' | 'stock' | 'nothing';

const server = new Server();
let answers: Answer[] = [];
let eventIds: string[] = [];
let address: string;
let onhand: Onhand;

const STOCK = { storeId: 'S', productId: 'P', quantity: 1, oversold: 0, version: 1n };
/** Of any RPC. */
const ANSWER = { quantityBefore: 2, replayed: false, source: 4, cached: false, maxAgeMs: 0, stale: false };

beforeAll(async () => {
  const answer = (
    call: { request: { eventId?: string } },
    done: (error: Partial<ServiceError> | null, answer?: object) => void,
  ) => {
    eventIds.push(call.request.eventId ?? '');
    const next = answers.length > 1 ? answers.shift() : answers[0];
    if (next === 'silence') return;
    if (next === 'stock' || next === 'nothing') {
      const stock = next === 'stock' ? STOCK : undefined;
      done(null, { ...ANSWER, stock, eventId: call.request.eventId ?? '' });
    } else done(next as Partial<ServiceError>);
  };
  server.addService(InventoryServiceService, { get: answer, sell: answer } as never);
  const port = await new Promise((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  address = `127.0.0.1:${port}`;
  onhand = connect(address, { limit: false });
});

afterAll(() => {
  onhand.close();
  server.forceShutdown();
});

beforeEach(() => {
  answers = [];
  eventIds = [];
});

const KEY = { storeId: 'S', productId: 'P' };

async function failureOf(call: Promise<unknown>): Promise<OnhandError> {
  const error = await call.catch((thrown: unknown) => thrown);
  if (error instanceof OnhandError) return error;
  throw error;
}

type ErrorReasonName = (typeof ERROR_REASONS)[number];

const refusal = (reason: ErrorReasonName, details = {}): Answer =>
  toGrpcError(new InventoryError(reason, `It is ${reason}`, details));

test('the reasons are those of the contract', () => {
  expect([...SERVICE_REASONS].sort()).toEqual([...ERROR_REASONS].sort());
  const contract = Object.keys(ErrorReason).filter((name) => Number.isNaN(Number(name)));
  expect([...SERVICE_REASONS, 'UNSPECIFIED', 'UNRECOGNIZED'].sort()).toEqual(contract.sort());
});

const REPEATABLE: readonly ErrorReasonName[] = ['DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'SHUTTING_DOWN'];

test.each(ERROR_REASONS.filter((reason) => !REPEATABLE.includes(reason)))(
  '%s comes as it is, and is not tried again',
  async (reason) => {
    answers = [refusal(reason), 'stock'];
    const error = await failureOf(onhand.sell({ ...KEY, quantity: 1 }));
    expect(error).toMatchObject({ reason, message: `It is ${reason}`, tries: 1, local: false });
    expect(eventIds).toHaveLength(1);
  },
);

test.each([...REPEATABLE.map((reason) => refusal(reason)), { code: status.UNAVAILABLE }])(
  'what is UNAVAILABLE is tried again, with the same event id: %#',
  async (answer) => {
    answers = [answer, answer, 'stock'];
    const sold = await onhand.sell({ ...KEY, quantity: 1 });
    expect(eventIds).toEqual([sold.eventId, sold.eventId, sold.eventId]);
  },
);

test('the last error has the reason, the event id and the tries', async () => {
  answers = [refusal('OUTCOME_UNKNOWN', { metadata: { event_id: 'x' } })];
  const error = await failureOf(onhand.sell({ ...KEY, quantity: 1 }, { deadlineMs: 400 }));
  expect(error).toMatchObject({
    reason: 'OUTCOME_UNKNOWN',
    info: { event_id: 'x' },
    eventIds: [eventIds[0]],
  });
  expect(error.tries).toBe(eventIds.length);
  expect(error.tries).toBeGreaterThan(1);
  expect(new Set(eventIds).size).toBe(1);
});

test('it waits as long as the service asks for, and not past the deadline', async () => {
  answers = [refusal('SHUTTING_DOWN', { retryDelayMs: 700 }), 'stock'];
  const startedMs = performance.now();
  await onhand.sell({ ...KEY, quantity: 1 });
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(699);
  answers = [refusal('SHUTTING_DOWN', { retryDelayMs: 700 })];
  const again = performance.now();
  expect(await failureOf(onhand.sell({ ...KEY, quantity: 1 }, { deadlineMs: 600 }))).toMatchObject({
    ...{ reason: 'SHUTTING_DOWN', tries: 1, retryDelayMs: 700 },
  });
  expect(performance.now() - again).toBeLessThan(600);
});

describe('deadlines', () => {
  test('of a call that is not answered', async () => {
    answers = ['silence'];
    const error = await failureOf(onhand.get(KEY, { deadlineMs: 200 }));
    expect(error).toMatchObject({ reason: 'DEADLINE_EXCEEDED', codeName: 'DEADLINE_EXCEEDED', tries: 1 });
  });

  test('of all calls of a client', async () => {
    answers = ['silence'];
    const hurried = connect(address, { deadlineMs: 150 });
    const startedMs = performance.now();
    expect(await failureOf(hurried.get(KEY))).toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    expect(performance.now() - startedMs).toBeLessThan(4_000);
    hurried.close();
  });
});

describe('answers that are not of our kind', () => {
  const withDetails = (details: Uint8Array): Metadata => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(details));
    return metadata;
  };
  const withInfo = (domain: string, reason: string): Partial<ServiceError> => {
    const value = Buffer.from(ErrorInfo.encode({ domain, reason, metadata: { more: 'told' } }).finish());
    const details = [{ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value }];
    const metadata = withDetails(Status.encode({ code: status.ABORTED, message: '', details }).finish());
    return { code: status.ABORTED, details: 'It says no', metadata };
  };

  test.each([
    ['another code', { code: status.PERMISSION_DENIED, details: 'It says no' }, {}],
    [
      'details that cannot be read',
      { code: status.INTERNAL, details: 'It says no', metadata: withDetails(Buffer.from('no protobuf')) },
      {},
    ],
    ['a reason of a newer service', withInfo('inventory.onhand.dev', 'TOO_NEW'), { more: 'told' }],
    ['a reason of another service', withInfo('example.com', 'INSUFFICIENT_STOCK'), {}],
  ])('%s is UNRECOGNIZED', async (_, answer, info) => {
    answers = [answer];
    const error = await failureOf(onhand.get(KEY));
    expect(error).toMatchObject({ reason: 'UNRECOGNIZED', code: answer.code, message: 'It says no', info });
  });

  test('an answer without a stock is UNRECOGNIZED', async () => {
    answers = ['nothing'];
    expect(await failureOf(onhand.get(KEY))).toMatchObject({
      ...{ reason: 'UNRECOGNIZED', message: expect.stringContaining('no stock') },
    });
  });
});

test('while the service refuses, calls wait here, and are refused here', async () => {
  const limited = connect(address, { deadlineMs: 2_000 });
  answers = [refusal('QUEUE_FULL')];
  const calls = Array.from({ length: 300 }, () => failureOf(limited.sell({ ...KEY, quantity: 1 })));
  const errors = await Promise.all(calls);
  expect(errors.every(({ reason }) => reason === 'QUEUE_FULL')).toBe(true);
  const here = errors.filter(({ local }) => local);
  // Sent are those of the connection's 100 places, and fewer each time that the service's delay has passed.
  expect(here.length).toBe(300 - eventIds.length);
  expect(here.length).toBeGreaterThan(50);
  expect(here[0]).toMatchObject({ tries: 0 });
  // Reads are another matter.
  answers = ['stock'];
  await limited.get(KEY);
  limited.close();
});
