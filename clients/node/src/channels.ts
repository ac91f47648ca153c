import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type MethodDefinition,
  credentials as makeCredentials,
  type ServiceError,
} from '@grpc/grpc-js';

const CHANNEL_OPTIONS: ChannelOptions = {
  // A proxy meant for the web would swallow calls to a service on this machine or network.
  'grpc.enable_http_proxy': 0,
  // Each client has its own connection: several of one address would otherwise share one.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // A connection that is dead without a word is noticed within 20 s, and before a call has to; one to a busy service is not taken for dead.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  // What the service sends at most.
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
};

export interface ChannelFacts {
  readonly address: string;
  readonly connections: number;
  readonly credentials: ChannelCredentials | undefined;
  readonly options: ChannelOptions | undefined;
}

/** One method of the contract, as the generated code describes it. */
export type Method<Request, Response> = MethodDefinition<Request, Response>;

/** The connections to one service. Calls take them in turn: each may have 100 under way. */
export class Channels {
  readonly #clients: readonly Client[];
  #calls = 0;

  constructor({ address, connections, credentials, options }: ChannelFacts) {
    const channelCredentials = credentials ?? makeCredentials.createInsecure();
    const channelOptions = { ...CHANNEL_OPTIONS, ...options };
    const connect = () => new Client(address, channelCredentials, channelOptions);
    this.#clients = Array.from({ length: connections }, connect);
  }

  /**
   * Sends one message and waits for one.
   *
   * @param deadlineMs from now on
   * @throws ServiceError what grpc-js fails with; the signal's reason where it is aborted
   */
  unary<Request, Response>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    request: Request,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const ended = (error: ServiceError | null, response?: Response) => {
        signal?.removeEventListener('abort', abort);
        if (error === null) resolve(response as Response);
        else reject(error);
      };
      const call = this.#next().makeUnaryRequest(
        ...([path, requestSerialize, responseDeserialize, request, new Metadata()] as const),
        { deadline: Date.now() + deadlineMs },
        ended,
      );
      const abort = () => {
        reject(signal?.reason);
        call.cancel();
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Sends one message; the answers come as a stream. */
  readStream<Request, Response>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    request: Request,
  ): ClientReadableStream<Response> {
    return heard(this.#next().makeServerStreamRequest(path, requestSerialize, responseDeserialize, request));
  }

  /** A stream in both directions. */
  openStream<Request, Response>({
    path,
    requestSerialize,
    responseDeserialize,
  }: Method<Request, Response>): ClientDuplexStream<Request, Response> {
    return heard(this.#next().makeBidiStreamRequest(path, requestSerialize, responseDeserialize));
  }

  /** Resolves once all connections are there. @param deadlineMs from now on */
  async ready(deadlineMs: number): Promise<void> {
    const deadline = Date.now() + deadlineMs;
    await Promise.all(this.#clients.map((client) => becomesReady(client, deadline)));
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #next(): Client {
    return this.#clients[this.#calls++ % this.#clients.length] as Client;
  }
}

/** Whoever leaves before the end, or has not begun to read, is told of the end all the same: unheard it would end the process. */
function heard<Stream extends NodeJS.EventEmitter>(stream: Stream): Stream {
  return stream.on('error', () => undefined);
}

function becomesReady(client: Client, deadline: number): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(deadline, (error) => (error ? reject(error) : resolve()));
  });
}
