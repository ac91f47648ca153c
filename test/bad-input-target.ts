import { expect } from '@jest/globals';
import { Callers, type Method, type Result } from '../src/api/callers.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { isAlive } from '../src/dev/process-registry.js';
import { createTestDatabase } from '../src/dev/test-database.js';
import { SellRequest } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { type ServiceProcess, startService } from './service-process.js';

export const TRANSPORTS = ['gRPC', 'Connect JSON', 'Connect binary', 'gRPC-Web', 'REST'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** Those whose messages are protobuf. */
export const BINARY_TRANSPORTS = ['gRPC', 'Connect binary', 'gRPC-Web'] as const satisfies Transport[];

export const isBinary = (transport: Transport): boolean =>
  (BINARY_TRANSPORTS as readonly Transport[]).includes(transport);

export const ON_HAND = 10;

/** The canonical code of each reason, and the HTTP status of Connect and of REST. */
const CODES: Readonly<Record<string, readonly [string, number, number]>> = {
  INVALID_FIELD: ['INVALID_ARGUMENT', 400, 400],
  MALFORMED_MESSAGE: ['INVALID_ARGUMENT', 400, 400],
  STOCK_NOT_FOUND: ['NOT_FOUND', 404, 404],
  MESSAGE_TOO_LARGE: ['RESOURCE_EXHAUSTED', 429, 413],
  VERSION_NOT_REACHED: ['FAILED_PRECONDITION', 400, 409],
  DEADLINE_EXCEEDED: ['DEADLINE_EXCEEDED', 504, 504],
  UNIMPLEMENTED: ['UNIMPLEMENTED', 501, 501],
};

/** The answer that says this, over this transport; `problems` are the fields and what is wrong with each. */
export function refused(
  transport: Transport,
  reason: string,
  problems: Readonly<Record<string, string>> = {},
): object {
  const [code, connectStatus, restStatus] = CODES[reason]!;
  const violations = Object.entries(problems).map(([field, description]) => ({ field, description }));
  const connect = { code: code.toLowerCase(), status: connectStatus };
  const answer = {
    gRPC: { code },
    'gRPC-Web': { code },
    'Connect JSON': connect,
    'Connect binary': connect,
    REST: { status: restStatus },
  }[transport];
  return { reason, ...answer, ...(violations.length > 0 && { fieldViolations: violations }) };
}

/** What REST has a way of its own to say, and what the others have. */
export const restOrProtobuf = <T>(transport: Transport, rest: T, protobuf: T): T =>
  transport === 'REST' ? rest : protobuf;

/** A sale that would be accepted. */
export interface GoodSale {
  readonly storeId: string;
  readonly productId: string;
  readonly quantity: number | undefined;
  readonly eventId: string;
  readonly metadata: Record<string, string>;
}

/** What bad input is sent to: a service in a process of its own, with one stock in its database. */
export class Target {
  private constructor(
    readonly service: ServiceProcess,
    readonly callers: Callers,
    readonly good: GoodSale,
    private readonly tables: () => Promise<object>,
    private tablesBefore: object,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(): Promise<Target> {
    const database = await createTestDatabase();
    const service = await startService({ databaseUrl: database.url });
    const callers = new Callers(service.grpcAddress, service.httpUrl);
    const good = { ...(await callers.stockOf(ON_HAND)), quantity: 1, eventId: '', metadata: {} };
    const tables = () =>
      withConnection(database.url, async (client) => {
        const events = await client.query('SELECT count(*)::int AS events FROM event_log');
        const stocks = await client.query('SELECT * FROM stock ORDER BY store_id, product_id');
        return { ...events.rows[0], stocks: stocks.rows } as object;
      });
    return new Target(service, callers, good, tables, await tables(), async () => {
      callers.grpc.close();
      await service.stop();
      await database.drop();
    });
  }

  /** Sends a request: an object; or a message as bytes where it is protobuf, as text where it is JSON. */
  send(transport: Transport, method: Method, request: object | string): Promise<Result> {
    const { callers } = this;
    const message = () =>
      Buffer.isBuffer(request) ? request : { ...BINARY_DEFAULTS, ...(request as object) };
    switch (transport) {
      case 'gRPC':
        return callers.overGrpc(method, message());
      case 'Connect binary':
        return callers.overConnectBinary(method, message());
      case 'gRPC-Web':
        return callers.overGrpcWeb(method, message());
      case 'Connect JSON':
        return callers.overConnect(method, request);
      case 'REST':
        if (method === 'Get')
          return callers.overRest(`?${new URLSearchParams(request as Record<string, string>)}`);
        return callers.overRest(`/${method === 'Apply' ? 'sync' : method.toLowerCase()}`, request);
    }
  }

  /** Nothing is recorded, nothing has changed, and the same process answers the next call over every transport. */
  async expectUnharmed(): Promise<void> {
    const before = this.tablesBefore;
    this.tablesBefore = await this.tables();
    expect(this.tablesBefore).toEqual(before);
    expect(isAlive(this.service.pid)).toBe(true);
    const { storeId, productId } = this.good;
    for (const transport of TRANSPORTS) {
      const answer = await this.send(transport, 'Get', { storeId, productId });
      expect(answer.stock ?? answer).toMatchObject({ storeId, productId });
    }
  }

  /** The service took nothing that it was sent for a defect of its own. */
  async expectNoDefect(): Promise<void> {
    const metrics = await (await fetch(this.service.metricsUrl)).text();
    expect(metrics).toContain('code="INVALID_ARGUMENT"');
    expect(metrics).not.toMatch(/onhand_requests_total\{.*code="INTERNAL"/);
  }
}

/** ts-proto wants every field that has no presence. */
const BINARY_DEFAULTS = { consistency: 0, minVersion: 0n, eventId: '', metadata: {}, mode: 0 };

/** A sale as a protobuf message. */
export const encodeSale = (sale: Partial<GoodSale>): Buffer =>
  Buffer.from(SellRequest.encode({ ...BINARY_DEFAULTS, ...sale } as SellRequest).finish());
