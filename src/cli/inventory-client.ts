import { join } from 'node:path';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { OnhandError } from '@onhand/client';
import { messagesOf, type ReadingOptions, readError } from '@onhand/client/stubs';
import { protoPath as healthProto } from 'grpc-health-check';
import { projectRoot } from '../project-root.js';
import { type Calls, type Streams, toJsonShape } from './messages.js';

/** What one server lets a client have in flight on one connection. */
const STREAMS_PER_CONNECTION = 100;

const CHANNEL_OPTIONS = {
  // A proxy meant for the web would swallow calls to a service on this machine or network.
  'grpc.enable_http_proxy': 0,
  // Each client has its own connection: several of one address would otherwise share one.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

const noConnection = (): OnhandError =>
  new OnhandError({
    reason: 'UNREACHABLE',
    code: status.UNAVAILABLE,
    message: 'The service cannot be reached: no connection in the time allowed',
  });

/** Calls the inventory service with stubs made of its .proto files: they give answers in their JSON shape. */
export class InventoryClient {
  readonly #protocol = loadProtocol();
  readonly #connections: readonly Client[];
  #calls = 0;

  /**
   * @param server host:port
   * @param concurrency how many calls may be in flight at once; enough connections for them are opened
   */
  constructor(server: string, concurrency = 1) {
    const count = Math.ceil(concurrency / STREAMS_PER_CONNECTION);
    this.#connections = Array.from(
      { length: count },
      () => new Client(server, credentials.createInsecure(), CHANNEL_OPTIONS),
    );
  }

  /**
   * Calls one RPC.
   *
   * @param deadline when to give up, in milliseconds since 1970
   * @throws OnhandError whatever goes wrong
   */
  async call<Name extends keyof Calls>(
    name: Name,
    request: Calls[Name][0],
    deadline: number,
  ): Promise<Calls[Name][1]> {
    return toJsonShape(await this.#unary(this.#protocol.service, name, request, deadline)) as Calls[Name][1];
  }

  /**
   * Calls an RPC whose answer is a stream, until `signal` is aborted.
   *
   * @throws OnhandError whatever else ends it
   */
  async *stream<Name extends keyof Streams>(
    name: Name,
    request: Streams[Name][0],
    reading: ReadingOptions,
  ): AsyncGenerator<Streams[Name][1]> {
    const method = methodOf(this.#protocol.service, name);
    const { path, requestSerialize, responseDeserialize } = method;
    const metadata = new Metadata();
    const call = this.#connection().makeServerStreamRequest(
      ...([path, requestSerialize, responseDeserialize, request, metadata] as const),
    );
    for await (const message of messagesOf(call, reading)) yield toJsonShape(message) as Streams[Name][1];
  }

  /**
   * Asks grpc.health.v1 how a service is: SERVING, NOT_SERVING, or SERVICE_UNKNOWN where it knows none of this name.
   *
   * @param deadline when to give up, in milliseconds since 1970
   * @throws OnhandError whatever else goes wrong
   */
  async health(service: string, deadline: number): Promise<string> {
    try {
      const answer = await this.#unary(this.#protocol.health, 'Check', { service }, deadline);
      return (answer as { status: string }).status;
    } catch (error) {
      if (error instanceof OnhandError && error.code === status.NOT_FOUND) return 'SERVICE_UNKNOWN';
      throw error;
    }
  }

  /** How many bytes a request has on the way. */
  sizeOf<Name extends keyof Calls>(name: Name, request: Calls[Name][0]): number {
    return methodOf(this.#protocol.service, name).requestSerialize(request).length;
  }

  #unary(service: ServiceDefinition, name: string, request: object, deadline: number): Promise<object> {
    const method = methodOf(service, name);
    return new Promise((resolve, reject) => {
      this.#connection().makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        { deadline },
        (error, response) => {
          if (error) reject(readError(error));
          else resolve(response as object);
        },
      );
    });
  }

  #connection(): Client {
    return this.#connections[this.#calls++ % this.#connections.length] as Client;
  }

  /**
   * Waits for the connections.
   *
   * @param deadline when to give up, in milliseconds since 1970
   * @throws OnhandError UNAVAILABLE if the server cannot be reached by then
   */
  async connect(deadline: number): Promise<void> {
    await Promise.all(
      this.#connections.map(
        (connection) =>
          new Promise<void>((resolve, reject) => {
            connection.waitForReady(deadline, (error) => {
              if (error) reject(noConnection());
              else resolve();
            });
          }),
      ),
    );
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

interface Protocol {
  readonly service: ServiceDefinition;
  readonly health: ServiceDefinition;
}

const LOADING = { longs: String, enums: String, defaults: true, json: true };

function loadProtocol(): Protocol {
  const definitions = loadSync('inventory/v1/inventory_service.proto', {
    ...LOADING,
    includeDirs: [join(projectRoot(), 'proto')],
  });
  return {
    service: definitions['inventory.v1.InventoryService'] as ServiceDefinition,
    health: loadSync(healthProto, LOADING)['grpc.health.v1.Health'] as ServiceDefinition,
  };
}

function methodOf(service: ServiceDefinition, name: string) {
  const method = service[name];
  if (method === undefined) throw new Error(`The .proto files have no RPC ${name}`);
  return method;
}
