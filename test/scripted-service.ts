import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { connect, type Onhand } from '@onhand/client';
import { toGrpcError } from '../src/api/error-details.js';
import { InventoryError } from '../src/domain/errors.js';
import {
  InventoryServiceService,
  type ListResponse,
  type SyncRequest,
  type SyncResponse,
  type WatchRequest,
  type WatchResponse,
} from '../src/gen/grpc/inventory/v1/inventory_service.js';

export type Refusal = ConstructorParameters<typeof InventoryError>;
/** One stream: what it says, and how it ends; 'SILENCE' stays open. */
export type Play<Message> = { readonly says: readonly Message[]; readonly ends: Refusal | 'SILENCE' | 'OK' };

const NO_STOCK = { stocks: [], nextPageToken: '', source: 4, cached: false, maxAgeMs: 0, stale: false };

/** A server whose streams say what the test tells them to and end so: what the client makes of every end there is. */
export class ScriptedService {
  /** What the next streams do; those after them are silent. */
  watches: Play<WatchResponse>[] = [];
  syncs: Play<SyncResponse>[] = [];
  /** So many lists fail first. */
  failingLists = 0;
  /** What came in. */
  watched: WatchRequest[] = [];
  hellos: SyncRequest[] = [];
  lists = 0;
  readonly #server = new Server();
  #onhand: Onhand | undefined;

  static async start(): Promise<ScriptedService> {
    const service = new ScriptedService();
    await service.#start();
    return service;
  }

  get onhand(): Onhand {
    return this.#onhand!;
  }

  forget(): void {
    Object.assign(this, { watches: [], syncs: [], failingLists: 0, watched: [], hellos: [], lists: 0 });
  }

  stop(): void {
    this.#onhand?.close();
    this.#server.forceShutdown();
  }

  async #start(): Promise<void> {
    this.#server.addService(InventoryServiceService, {
      watch: (call: ServerWritableStream<WatchRequest, WatchResponse>) => {
        this.watched.push(call.request);
        play(call, this.watches.shift());
      },
      sync: (call: ServerDuplexStream<SyncRequest, SyncResponse>) => {
        call.on('data', (message: SyncRequest) => {
          if (message.sequence > 0n) return;
          this.hellos.push(message);
          play(call, this.syncs.shift());
        });
      },
      list: (_call: ServerUnaryCall<unknown, ListResponse>, done: sendUnaryData<ListResponse>) => {
        this.lists++;
        if (this.lists <= this.failingLists) done(toGrpcError(new InventoryError('QUEUE_FULL', 'Full')));
        else done(null, NO_STOCK as unknown as ListResponse);
      },
    } as never);
    const port = await new Promise((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      this.#server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    this.#onhand = connect(`127.0.0.1:${port}`, { backoff: { firstDelayMs: 1 }, limit: false });
  }
}

function play<Message>(
  call: ServerWritableStream<unknown, Message> | ServerDuplexStream<unknown, Message>,
  { says, ends }: Play<Message> = { says: [], ends: 'SILENCE' },
): void {
  for (const message of says) call.write(message);
  if (ends === 'OK') call.end();
  else if (ends !== 'SILENCE') call.emit('error', toGrpcError(new InventoryError(...ends)));
}
