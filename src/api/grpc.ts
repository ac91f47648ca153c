import { BinaryReader } from '@bufbuild/protobuf/wire';
import type {
  Deadline,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import type { InventoryError } from '../domain/errors.js';
import { InventoryService } from '../gen/connect/inventory/v1/inventory_service_pb.js';
import {
  ApplyRequest,
  BatchGetRequest,
  GetRequest,
  InventoryServiceService,
  ListEventsRequest,
  ListRequest,
  RestockRequest,
  SellRequest,
  SyncRequest,
  WatchRequest,
  type WatchResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Calls } from './call.js';
import { checkEncoding, type Nesting, nestingOf } from './check-encoding.js';
import { toGrpcError } from './error-details.js';
import { malformedMessage, messageTooLarge } from './errors.js';
import { IncomingMessages } from './grpc-incoming.js';
import { sendStream } from './grpc-stream.js';
import { limitOf, reasonForTooLarge, SYNC_LIMIT_BYTES } from './grpc-too-large.js';
import type { Incoming, UnaryRpc, UnaryRpcs } from './rpcs.js';
import { RPC_NAMES } from './rpcs.js';

const MB = 1024 * 1024;
/** A store for which a message waits so long to be read is cut off. The contract says so. */
const SYNC_PATIENCE_MS = 30_000;

/** Every limit of a connection is named here; grpc-js has none by itself. */
const SERVER_OPTIONS = {
  'grpc.max_receive_message_length': SYNC_LIMIT_BYTES,
  'grpc.max_send_message_length': 4 * MB,
  'grpc.max_concurrent_streams': 100,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.max_connection_idle_ms': 300_000,
  // So that load balancers, which choose once per connection, can choose again.
  'grpc.max_connection_age_ms': 600_000,
  'grpc.max_connection_age_grace_ms': 30_000,
};

/** A service beside our own (health, reflection) that is added before the server starts. */
export type AddService = (server: Server) => void;

export interface GrpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly calls: Calls;
  readonly services: readonly AddService[];
}

export interface GrpcServer {
  readonly port: number;
  /** Lets the running calls end, for at most this long; then cuts them off. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts native gRPC.
 *
 * @throws Error with `code` EADDRINUSE and the address in its message where the port is taken.
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  // What goes wrong reaches us as errors; grpc-js would print some of it a second time.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({ ...SERVER_OPTIONS, interceptors: [reasonForTooLarge(options.calls)] });
  server.addService(rawDefinition(), implementation(options.calls));
  for (const add of options.services) add(server);
  const port = await bind(server, options.host, options.port);
  return { port, stop: (graceMs) => stop(server, graceMs) };
}

type Requests = { [R in UnaryRpc]: UnaryRpcs[R]['request'] } & { sync: SyncRequest; watch: WatchRequest };

/** What decodes a request. grpc-js gets none of it: what it cannot decode it answers without details. */
const REQUEST_TYPES: { [R in keyof Requests]: { decode(input: BinaryReader): Requests[R] } } = {
  get: GetRequest,
  batchGet: BatchGetRequest,
  list: ListRequest,
  sell: SellRequest,
  restock: RestockRequest,
  apply: ApplyRequest,
  listEvents: ListEventsRequest,
  sync: SyncRequest,
  watch: WatchRequest,
};

/** The one contract of both generators. */
const NESTINGS = Object.fromEntries(
  Object.entries(InventoryService.method).map(([rpc, { input }]) => [rpc, nestingOf(input)]),
) as { [R in keyof Requests]: Nesting };

/**
 * The request in these bytes.
 *
 * @throws InventoryError MESSAGE_TOO_LARGE, MALFORMED_MESSAGE.
 */
function decodeRequest<R extends keyof Requests>(rpc: R, bytes: Buffer): Requests[R] {
  const limitBytes = limitOf(rpc);
  if (bytes.length > limitBytes) throw messageTooLarge(limitBytes);
  try {
    const reader = new BinaryReader(bytes);
    checkEncoding(reader, reader.len, NESTINGS[rpc]);
    reader.pos = 0;
    return REQUEST_TYPES[rpc].decode(reader);
  } catch (error) {
    throw malformedMessage(`The ${RPC_NAMES[rpc]} request`, '', error);
  }
}

const passThrough = (bytes: Buffer): Buffer => bytes;

function rawDefinition() {
  const methods = Object.entries(InventoryServiceService);
  const raw = methods.map(([name, method]) => [name, { ...method, requestDeserialize: passThrough }]);
  const { sync } = InventoryServiceService;
  // Its answers are encoded already.
  const rawSync = { ...sync, requestDeserialize: passThrough, responseSerialize: passThrough };
  return { ...Object.fromEntries(raw), sync: rawSync };
}

function implementation(calls: Calls) {
  const { sync: _, watch: __, ...unary } = REQUEST_TYPES;
  const handlers = (Object.keys(unary) as UnaryRpc[]).map((rpc) => [rpc, unaryHandler(calls, rpc)] as const);
  return {
    ...Object.fromEntries(handlers),
    sync: (call: ServerDuplexStream<Buffer, Buffer>) => serveSync(calls, call),
    watch: (call: ServerWritableStream<Buffer, WatchResponse>) => {
      const decode = () => decodeRequest('watch', call.request);
      const deadlineMs = deadlineOf(call);
      void sendStream(call, (signal) => calls.stream('watch', 'GRPC', decode, { deadlineMs, signal }));
    },
  };
}

function unaryHandler<R extends UnaryRpc>(calls: Calls, rpc: R) {
  return (
    call: ServerUnaryCall<Buffer, UnaryRpcs[R]['response']>,
    callback: sendUnaryData<UnaryRpcs[R]['response']>,
  ): void => {
    const decode = () => decodeRequest(rpc, call.request);
    const answer = (response: UnaryRpcs[R]['response']) => callback(null, response);
    const fail = (error: InventoryError) => callback(toGrpcError(error));
    try {
      const response = calls.run(rpc, 'GRPC', decode, { deadlineMs: deadlineOf(call) });
      // A rejection that nobody handles would end the process.
      if (response instanceof Promise) response.then(answer, fail);
      else answer(response);
    } catch (error) {
      fail(error as InventoryError);
    }
  };
}

/** On the clock of performance.now(). */
function deadlineOf(call: { getDeadline(): Deadline }): number | undefined {
  const deadline = Number(call.getDeadline());
  return deadline === Number.POSITIVE_INFINITY ? undefined : performance.now() + deadline - Date.now();
}

function serveSync(calls: Calls, call: ServerDuplexStream<Buffer, Buffer>): void {
  const incoming = new IncomingMessages(call);
  const requests: Incoming<SyncRequest> = {
    async next() {
      const bytes = await incoming.next();
      return bytes === undefined ? undefined : decodeRequest('sync', bytes);
    },
  };
  const deadlineMs = deadlineOf(call);
  const open = (signal: AbortSignal) => calls.stream('sync', 'GRPC', () => requests, { deadlineMs, signal });
  void sendStream(call, open, SYNC_PATIENCE_MS);
}

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(boundPort);
      else if (!error.message.includes('EADDRINUSE')) reject(error);
      else {
        const message = `listen EADDRINUSE: address already in use ${address}`;
        reject(
          Object.assign(new Error(message, { cause: error }), { code: 'EADDRINUSE', address: host, port }),
        );
      }
    });
  });
}

function stop(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
