import { randomUUID } from 'node:crypto';
import { type CallOptions, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { ErrorInfo, Status } from '../gen/grpc/google/rpc/error_details.js';
import { InventoryServiceClient } from '../gen/grpc/inventory/v1/inventory_service.js';
import { STATUS_DETAILS_KEY } from './error-details.js';

/** What a call came to, the same for every transport: its answer, or its code and ErrorInfo. */
export type Result = Record<string, unknown> & { code?: string; reason?: string };

type Method = 'Get' | 'Sell' | 'Restock' | 'ListEvents';

/** For tests: calls an API over each transport by hand, so that anything can be sent. */
export class Callers {
  readonly grpc: InventoryServiceClient;

  constructor(
    grpcAddress: string,
    private readonly httpUrl: string,
  ) {
    this.grpc = new InventoryServiceClient(grpcAddress, credentials.createInsecure());
  }

  /** Native gRPC, with an object or the raw bytes of a message. */
  overGrpc(method: Method, request: object | Buffer, options: CallOptions = {}): Promise<Result> {
    const { get, sell, restock, listEvents } = InventoryServiceClient.service;
    const definition = { Get: get, Sell: sell, Restock: restock, ListEvents: listEvents }[method];
    const bytes = Buffer.isBuffer(request) ? request : definition.requestSerialize(request as never);
    return new Promise((resolve) => {
      this.grpc.makeUnaryRequest(
        definition.path,
        (value: Buffer) => value,
        (value: Buffer) => definition.responseDeserialize(value),
        bytes,
        new Metadata(),
        options,
        (error, response) => resolve(error === null ? (response as unknown as Result) : failureOf(error)),
      );
    });
  }

  /** REST below /api/v1/inventory: a POST where there is a body, which may be any text. */
  async overRest(path: string, body?: unknown, headers?: Record<string, string>): Promise<Result> {
    const response = await this.#overHttp(`/api/v1/inventory${path}`, body, headers);
    const { data, timestamp: _, ...envelope } = (await response.json()) as Result & { data?: object };
    const replayed = response.headers.get('idempotent-replayed') === 'true';
    return { ...envelope, status: response.status, replayed, ...data };
  }

  /** Connect with JSON. */
  async overConnect(method: Method, body: unknown): Promise<Result> {
    const response = await this.#overHttp(`/inventory.v1.InventoryService/${method}`, body);
    const answer = (await response.json()) as Result & { details?: { debug: Result }[] };
    return { ...answer, status: response.status, ...answer.details?.[0]?.debug };
  }

  /** A stock of its own, with this many units. */
  async stockOf(quantity: number): Promise<{ storeId: string; productId: string }> {
    const key = { storeId: 'STORE_001', productId: `P-${randomUUID()}` };
    await this.overGrpc('Restock', { ...key, quantity, eventId: '', metadata: {} });
    return key;
  }

  async #overHttp(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    if (body === undefined) return await fetch(this.httpUrl + path);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: text };
    return await fetch(this.httpUrl + path, init);
  }
}

/** What did not come from the service, a broken connection say, has a code and no reason. */
function failureOf(error: ServiceError): Result {
  const failure = { code: status[error.code]!, message: error.details };
  const details = error.metadata.get(STATUS_DETAILS_KEY)[0];
  if (!Buffer.isBuffer(details)) return failure;
  const { reason, metadata } = ErrorInfo.decode(Status.decode(details).details[0]!.value);
  return { ...failure, reason, metadata };
}
