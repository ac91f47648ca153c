import { randomUUID } from 'node:crypto';
import { type CallOptions, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { FieldViolation } from '../domain/errors.js';
import { BadRequest, ErrorInfo, Status } from '../gen/grpc/google/rpc/error_details.js';
import { InventoryServiceClient } from '../gen/grpc/inventory/v1/inventory_service.js';
import { Conformance } from './conformance.js';
import { STATUS_DETAILS_KEY } from './error-details.js';
import { SERVICE_NAME } from './rpcs.js';

/** What a call came to, the same for every transport: its answer, or its code and details. */
export type Result = Record<string, unknown> & {
  code?: string;
  reason?: string;
  fieldViolations?: readonly FieldViolation[] | undefined;
};

type Headers = Record<string, string>;

type GrpcOptions = CallOptions & { readonly headers?: Headers };

export type Method = 'Get' | 'Sell' | 'Restock' | 'ListEvents' | 'Apply';

/** For tests: calls an API over each transport by hand, so that anything can be sent. */
export class Callers {
  readonly grpc: InventoryServiceClient;
  readonly #conformance = new Conformance();

  constructor(
    grpcAddress: string,
    private readonly httpUrl: string,
  ) {
    // A connection of its own, as another program would have.
    const options = { 'grpc.use_local_subchannel_pool': 1 };
    this.grpc = new InventoryServiceClient(grpcAddress, credentials.createInsecure(), options);
  }

  /** Native gRPC, with an object or the raw bytes of a message. */
  overGrpc(method: Method, request: object | Buffer, options: GrpcOptions = {}): Promise<Result> {
    const definition = definitionOf(method);
    const bytes = encodeRequest(method, request);
    return new Promise((resolve) => {
      this.grpc.makeUnaryRequest(
        definition.path,
        (value: Buffer) => value,
        (value: Buffer) => definition.responseDeserialize(value),
        bytes,
        Metadata.fromHttp2Headers(options.headers ?? {}),
        options,
        (error, response) => resolve(error === null ? (response as unknown as Result) : failureOfGrpc(error)),
      );
    });
  }

  /** REST below /api/v1/inventory; the answer must be as documented. A POST where there is a body, which may be any text. */
  async overRest(path: string, body?: unknown, headers?: Headers): Promise<Result> {
    const response = await this.#postJson(`/api/v1/inventory${path}`, body, headers);
    const text = await response.text();
    this.#conformance.check(body === undefined ? 'GET' : 'POST', response.url, response.status, text);
    const { data, timestamp: _, ...envelope } = JSON.parse(text) as Result & { data?: object };
    const replayed = response.headers.get('idempotent-replayed') === 'true';
    const fieldViolations = envelope.errors as readonly FieldViolation[] | undefined;
    return { ...envelope, fieldViolations, status: response.status, replayed, ...data };
  }

  /** Connect with JSON, which may be any text. */
  async overConnect(method: Method, body: unknown, headers?: Headers): Promise<Result> {
    return await connectAnswer(await this.#postJson(pathOf(method), body, headers));
  }

  /** Connect with protobuf: an object or the raw bytes of a message. */
  async overConnectBinary(method: Method, request: object | Buffer, headers?: Headers): Promise<Result> {
    const type = { 'content-type': 'application/proto' };
    const response = await this.#post(pathOf(method), encodeRequest(method, request), {
      ...type,
      ...headers,
    });
    if (!response.ok) return await connectAnswer(response);
    return decodeResponse(method, Buffer.from(await response.arrayBuffer()));
  }

  /** gRPC-Web: an object or the raw bytes of a message. */
  overGrpcWeb(method: Method, request: object | Buffer, headers?: Headers): Promise<Result> {
    return this.overGrpcWebRaw(method, grpcFrame(0, encodeRequest(method, request)), headers);
  }

  /** gRPC-Web with any bytes as the body of the HTTP request. */
  async overGrpcWebRaw(method: Method, body: Buffer, headers?: Headers): Promise<Result> {
    const type = { 'content-type': 'application/grpc-web+proto' };
    const response = await this.#post(pathOf(method), body, { ...type, ...headers });
    if (!response.headers.get('content-type')?.startsWith('application/grpc-web')) {
      return { ...((await response.json()) as object), status: response.status };
    }
    return grpcWebAnswer(method, Buffer.from(await response.arrayBuffer()));
  }

  /** A stock of its own, with this many units. */
  async stockOf(quantity: number): Promise<{ storeId: string; productId: string }> {
    const key = { storeId: 'STORE_001', productId: `P-${randomUUID()}` };
    await this.overGrpc('Restock', { ...key, quantity, eventId: '', metadata: {} });
    return key;
  }

  async #postJson(path: string, body?: unknown, headers?: Headers): Promise<Response> {
    if (body === undefined) return await fetch(this.httpUrl + path);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return await this.#post(path, text, { 'content-type': 'application/json', ...headers });
  }

  #post(path: string, body: string | Buffer, headers: Headers): Promise<Response> {
    return fetch(this.httpUrl + path, { method: 'POST', headers, body });
  }
}

const pathOf = (method: Method): string => `/${SERVICE_NAME}/${method}`;

function definitionOf(method: Method) {
  const { get, sell, restock, listEvents, apply } = InventoryServiceClient.service;
  return { Get: get, Sell: sell, Restock: restock, ListEvents: listEvents, Apply: apply }[method];
}

const encodeRequest = (method: Method, request: object | Buffer): Buffer =>
  Buffer.isBuffer(request) ? request : definitionOf(method).requestSerialize(request as never);

const decodeResponse = (method: Method, bytes: Buffer): Result =>
  definitionOf(method).responseDeserialize(bytes) as unknown as Result;

async function connectAnswer(response: Response): Promise<Result> {
  const answer = (await response.json()) as Result & { details?: { debug: object }[] };
  // Their fields have different names: reason and metadata, fieldViolations, retryDelay.
  const details = answer.details?.map((detail) => detail.debug) ?? [];
  return Object.assign({ ...answer, status: response.status }, ...details);
}

/** A message, or trailers (flag 0x80), as gRPC and gRPC-Web frame them. */
export function grpcFrame(flag: number, content: Buffer, length = content.length): Buffer {
  const header = Buffer.from([flag, 0, 0, 0, 0]);
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, content]);
}

/** One message and then the trailers, or the trailers alone. */
function grpcWebAnswer(method: Method, body: Buffer): Result {
  const end = 5 + body.readUInt32BE(1);
  if (body[0] === 0) return decodeResponse(method, body.subarray(5, end));
  const lines = body.toString('utf8', 5, end).split('\r\n');
  const trailers = new Map(lines.map((line) => line.split(': ') as [string, string]));
  const code = Number(trailers.get('grpc-status')) as status;
  const details = trailers.get(STATUS_DETAILS_KEY);
  const message = decodeURIComponent(trailers.get('grpc-message') ?? '');
  return failureOf(code, message, details === undefined ? undefined : Buffer.from(details, 'base64'));
}

export function failureOfGrpc({ code, details: message, metadata }: ServiceError): Result {
  const bytes = metadata.get(STATUS_DETAILS_KEY)[0];
  return failureOf(code, message, Buffer.isBuffer(bytes) ? bytes : undefined);
}

/** What did not come from the service, a broken connection say, has a code and no reason. */
function failureOf(code: status, message: string, statusBytes: Buffer | undefined): Result {
  const failure = { code: status[code], message };
  if (statusBytes === undefined) return failure;
  const { details } = Status.decode(statusBytes);
  const detail = (type: string) => details.find(({ typeUrl }) => typeUrl.endsWith(`/${type}`))?.value;
  const { reason, metadata } = ErrorInfo.decode(detail('google.rpc.ErrorInfo')!);
  const badRequest = detail('google.rpc.BadRequest');
  return { ...failure, reason, metadata, ...(badRequest && BadRequest.decode(badRequest)) };
}
