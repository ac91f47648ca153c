import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { service as healthService } from 'grpc-health-check';
import { BadRequest, Status } from '../gen/grpc/google/rpc/error_details.js';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { EventStatus } from '../gen/grpc/inventory/v1/inventory.js';
import { InventoryServiceService } from '../gen/grpc/inventory/v1/inventory_service.js';
import { runCli } from './program.js';
import { TextChannel } from './terminal.js';

/** What a call is answered: an error, or a message. */
type Answer = Partial<ServiceError> | object;

/** A server that is not ours, behind a proxy that adds errors of its own, say: it answers what the test says. */
const server = new Server();
const answers: Answer[] = [];
let address: string;
let folder: string;

beforeAll(async () => {
  const next = (_call: unknown, done: (error: Partial<ServiceError> | null, answer?: object) => void) => {
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    if ('code' in answer) done(answer);
    else done(null, answer);
  };
  server.addService(InventoryServiceService, {
    sell: next,
    restock: next,
    apply: next,
    batchGet: next,
  } as never);
  server.addService(healthService, { check: next } as never);
  const port = await new Promise((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  address = `127.0.0.1:${port}`;
  folder = mkdtempSync(join(tmpdir(), 'onhand-foreign-'));
});

afterAll(() => {
  server.forceShutdown();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  answers.length = 0;
});

async function run(...words: string[]) {
  const written = { out: '', err: '' };
  const channel = (name: 'out' | 'err') => {
    const write = (chunk: unknown, _encoding: unknown, done: () => void) => {
      written[name] += String(chunk);
      done();
    };
    return new TextChannel(Object.assign(new Writable({ write }), { isTTY: false }), false);
  };
  const terminal = { out: channel('out'), err: channel('err') };
  const code = await runCli([...words, '--server', address, '--deadline-ms', '20000'], {}, terminal);
  return { code, ...written };
}

const file = (name: string, ...lines: string[]): string => {
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  return join(folder, name);
};

const withDetails = (details: Buffer): Metadata => {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', details);
  return metadata;
};

describe('errors that are not of our kind', () => {
  test('are told by their code and message, where their details cannot be read', async () => {
    const metadata = withDetails(Buffer.from('no protobuf at all'));
    answers.push({ code: status.PERMISSION_DENIED, details: 'The proxy says no', metadata });
    const { code, err } = await run('sell', 'S', 'P', '1');
    expect(code).toBe(1);
    expect(err).toContain('The proxy says no');
    expect(err).toContain('PERMISSION_DENIED');
  });

  test('break a replay off, and the line is named', async () => {
    const opened = { stock: undefined, quantityBefore: 0, eventId: '', replayed: false };
    answers.push(opened, { code: status.PERMISSION_DENIED, details: 'The proxy says no' });
    const lines = file('lines.csv', 'invoice_no,stock_code,quantity,unit_price,country', '1,A,6,2.55,EIRE');
    const { code, err } = await run('replay', lines);
    expect(code).toBe(1);
    expect(err).toContain('Broke off: 1 of 2 commands were answered. Run it again');
    expect(err).toContain('Line 2: The proxy says no');
  });

  test('health tells a service that the server does not know, and reads that fail', async () => {
    answers.push(
      { code: status.NOT_FOUND, details: 'unknown service' },
      { status: 'NOT_SERVING' },
      { code: status.UNIMPLEMENTED, details: 'no such RPC' },
    );
    const { code, out } = await run('health', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(out)).toMatchObject({
      serving: false,
      checks: [
        { status: 'SERVICE_UNKNOWN' },
        { status: 'NOT_SERVING' },
        { status: 'UNIMPLEMENTED', detail: 'no such RPC' },
        { status: 'UNIMPLEMENTED' },
      ],
    });
  });
});

describe('apply', () => {
  const batch = () =>
    file('batch.csv', 'store_id,product_id,type,quantity', 'S,P,RESTOCK,5', 'S,Q,RESTOCK,5');

  test('names the line where the service names an operation', async () => {
    const violations = [
      { field: 'operations[1].quantity', description: 'Quantity is odd' },
      { field: 'operations[9].quantity', description: 'Quantity of none' },
    ];
    const value = Buffer.from(BadRequest.encode({ fieldViolations: violations }).finish());
    const details = [{ typeUrl: 'type.googleapis.com/google.rpc.BadRequest', value }];
    const bytes = Status.encode({ code: status.INVALID_ARGUMENT, message: '', details }).finish();
    answers.push({
      code: status.INVALID_ARGUMENT,
      details: 'Wrong',
      metadata: withDetails(Buffer.from(bytes)),
    });
    const { code, err } = await run('apply', batch());
    expect(code).toBe(2);
    expect(err).toContain('Store S, line 2 to line 3: Wrong');
    expect(err).toMatch(/line 3, quantity.*Quantity is odd/);
    expect(err).toMatch(/operations\[9\]\.quantity.*Quantity of none/);
  });

  test('asks again for a batch of which something is not decided yet', async () => {
    const decided = (change: object) => ({
      eventId: '',
      productId: 'P',
      status: EventStatus.SUCCESS,
      effect: 1,
      reason: 0,
      message: '',
      quantityBefore: 0,
      replayed: false,
      ...change,
    });
    const open = { status: EventStatus.FAILED, reason: ErrorReason.QUEUE_FULL, message: 'Later' };
    answers.push(
      { results: [decided({}), decided(open)], successCount: 1, failureCount: 1 },
      { results: [decided({ replayed: true }), decided({})], successCount: 2, failureCount: 0 },
    );
    const { code, out } = await run('apply', batch(), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ applied: 2, replayed: 1, retries: 1 });
  });
});
