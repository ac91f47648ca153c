import { randomUUID } from 'node:crypto';
import { type CallOptions, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { FieldViolation } from '../domain/errors.js';
import { BadRequest, ErrorInfo, Status } from '../gen/grpc/google/rpc/error_details.js';
import { InventoryServiceClient } from '../gen/grpc/inventory/v1/inventory_service.js';
import { Conformance } from './conformance.js';
import { STATUS_DETAILS_KEY } from './error-details.js';

/** What a call came to, the same for every transport: its answer, or its code and details. */
export type Result = Record<string, unknown> & {
  code?: string;
  reason?: string;
  fieldViolations?: readonly FieldViolation[] | undefined;
};

type GrpcOptions = CallOptions & { readonly headers?: Record<string, string> };

export type Method = 'Get' | 'Sell' | 'Restock' | 'ListEvents' | 'Apply';

/** For tests: calls an API over each transport by hand, so that anything can be sent. */
export class Callers {
  readonly grpc: InventoryServiceClient;
  readonly #conformance = new Conformance();

  constructor(
    grpcAddress: string,
    private readonly httpUrl: string,
  ) {
    this.grpc = new InventoryServiceClient(grpcAddress, credentials.createInsecure());
  }

  /** Native gRPC, with an object or the raw bytes of a message. */
  overGrpc(method: Method, request: object | Buffer, options: GrpcOptions = {}): Promise<Result> {
    const { get, sell, restock, listEvents, apply } = InventoryServiceClient.service;
    const definitions = { Get: get, Sell: sell, Restock: restock, ListEvents: listEvents, Apply: apply };
    const definition = definitions[method];
    const bytes = Buffer.isBuffer(request) ? request : definition.requestSerialize(request as never);
    return new Promise((resolve) => {
      this.grpc.makeUnaryRequest(
        definition.path,
        (value: Buffer) => value,
        (value: Buffer) => definition.responseDeserialize(value),
        bytes,
        Metadata.fromHttp2Headers(options.headers ?? {}),
        options,
        (error, response) => resolve(error === null ? (response as unknown as Result) : failureOf(error)),
      );
    });
  }

  /** REST below /api/v1/inventory; the answer must be as documented. A POST where there is a body, which may be any text. */
  async overRest(path: string, body?: unknown, headers?: Record<string, string>): Promise<Result> {
    const response = await this.#overHttp(`/api/v1/inventory${path}`, body, headers);
    const text = await response.text();
    this.#conformance.check(body === undefined ? 'GET' : 'POST', response.url, response.status, text);
    const { data, timestamp: _, ...envelope } = JSON.parse(text) as Result & { data?: object };
    const replayed = response.headers.get('idempotent-replayed') === 'true';
    const fieldViolations = envelope.errors as readonly FieldViolation[] | undefined;
    return { ...envelope, fieldViolations, status: response.status, replayed, ...data };
  }

  /** Connect with JSON, which may be any text. */
  async overConnect(method: Method, body: unknown, headers?: Record<string, string>): Promise<Result> {
    const response = await this.#overHttp(`/inventory.v1.InventoryService/${method}`, body, headers);
    const answer = (await response.json()) as Result & { details?: { debug: object }[] };
    // Their fields have different names: reason and metadata, fieldViolations, retryDelay.
    const details = answer.details?.map((detail) => detail.debug) ?? [];
    return Object.assign({ ...answer, status: response.status }, ...details);
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
  const bytes = error.metadata.get(STATUS_DETAILS_KEY)[0];
  if (!Buffer.isBuffer(bytes)) return failure;
  const { details } = Status.decode(bytes);
  const detail = (type: string) => details.find(({ typeUrl }) => typeUrl.endsWith(`/${type}`))?.value;
  const { reason, metadata } = ErrorInfo.decode(detail('google.rpc.ErrorInfo')!);
  const badRequest = detail('google.rpc.BadRequest');
  return { ...failure, reason, metadata, ...(badRequest && BadRequest.decode(badRequest)) };
}
