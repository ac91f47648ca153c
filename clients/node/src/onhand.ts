import { type ChannelCredentials, type ChannelOptions, status } from '@grpc/grpc-js';
import type { BackoffOptions } from './backoff.js';
import { Channels, type Method } from './channels.js';
import { ConcurrencyLimit, type LimitOptions } from './concurrency-limit.js';
import type { Stock } from './gen/inventory/v1/inventory.js';
import {
  type ApplyResponse,
  type BatchGetResponse,
  InventoryServiceService as contract,
  type ListEventsResponse,
  type ListResponse,
} from './gen/inventory/v1/inventory_service.js';
import { OnhandError } from './onhand-error.js';
import {
  type Apply,
  applyRequest,
  type BatchGet,
  batchGetRequest,
  type Change,
  type Changed,
  changeRequest,
  type Get,
  getRequest,
  type List,
  type ListEvents,
  listEventsRequest,
  listRequest,
  type Read,
  type WithStock,
} from './requests.js';
import { type Sync, Syncing, type SyncOptions } from './sync.js';
import type { SyncUpdate } from './sync-updates.js';
import { type CallOptions, UnaryCalls } from './unary-calls.js';
import { type Watch, Watching, type WatchOptions } from './watch.js';
import type { WatchUpdate } from './watch-updates.js';

export interface ConnectOptions {
  /** How long a call may take with all its tries, in milliseconds, where it does not say so itself. Default 5,000. */
  readonly deadlineMs?: number;
  /** Connections to open; each may have 100 calls under way. Default 1. */
  readonly connections?: number;
  /** TLS and the like, made with @grpc/grpc-js. Default: none, as the service has it. */
  readonly credentials?: ChannelCredentials;
  /** The pauses between tries. */
  readonly backoff?: BackoffOptions;
  /** How many calls are under way at once, further ones wait; false: as many as are made. */
  readonly limit?: LimitOptions | false;
  /** Told before each pause between two tries of a call. */
  readonly onRetry?: (error: OnhandError, rpc: string) => void;
  /** For @grpc/grpc-js, beside those that this package sets. */
  readonly channelOptions?: ChannelOptions;
}

const DEFAULT_DEADLINE_MS = 5_000;
/** What the service takes. */
const CALLS_PER_CONNECTION = 100;

/** An inventory service. Every method fails with an OnhandError, or with the reason of the signal that was given. */
export class Onhand {
  readonly #channels: Channels;
  readonly #calls: UnaryCalls;
  readonly #reads: ConcurrencyLimit | undefined;
  readonly #writes: ConcurrencyLimit | undefined;

  /** @param address host:port, or any other name that gRPC knows (`dns:///…` for several processes) */
  constructor(
    address: string,
    private readonly options: ConnectOptions = {},
  ) {
    const { deadlineMs = DEFAULT_DEADLINE_MS, connections = 1, credentials, backoff, limit = {} } = options;
    this.#channels = new Channels({ address, connections, credentials, options: options.channelOptions });
    this.#calls = new UnaryCalls(this.#channels, { deadlineMs, backoff, onRetry: options.onRetry });
    if (limit === false) return;
    const { max = CALLS_PER_CONNECTION * connections } = limit;
    this.#reads = new ConcurrencyLimit(max);
    this.#writes = new ConcurrencyLimit(max);
  }

  /** Reads one stock. */
  async get(wanted: Get, options: CallOptions = {}): Promise<Read> {
    return withStock(await this.#read(contract.get, getRequest(wanted), options));
  }

  /** Reads up to 500 stocks at once; keys without a stock are `missing`. */
  batchGet(wanted: BatchGet, options: CallOptions = {}): Promise<BatchGetResponse> {
    return this.#read(contract.batchGet, batchGetRequest(wanted), options);
  }

  /** The pages of a list, one after the other, each asked for when the one before is done with. Options are for each page. */
  list(wanted: List, options: CallOptions = {}): AsyncGenerator<ListResponse, void, undefined> {
    const page = (pageToken: string) =>
      this.#read(contract.list, listRequest({ ...wanted, pageToken }), options);
    return pages(page, wanted.pageToken);
  }

  /** The pages of a store's history, likewise. */
  listEvents(
    wanted: ListEvents,
    options: CallOptions = {},
  ): AsyncGenerator<ListEventsResponse, void, undefined> {
    const page = (pageToken: string) =>
      this.#read(contract.listEvents, listEventsRequest({ ...wanted, pageToken }), options);
    return pages(page, wanted.pageToken);
  }

  /** Takes units from a stock, all of them or none. */
  async sell(wanted: Change, options: CallOptions = {}): Promise<Changed> {
    const request = changeRequest(wanted);
    return withStock(await this.#write(contract.sell, request, [request.eventId], options));
  }

  /** Adds units to a stock, and makes the stock where there is none. */
  async restock(wanted: Change, options: CallOptions = {}): Promise<Changed> {
    const request = changeRequest(wanted);
    return withStock(await this.#write(contract.restock, request, [request.eventId], options));
  }

  /** Applies up to 1,000 operations of one store; what becomes of each stands in `results`. */
  apply(wanted: Apply, options: CallOptions = {}): Promise<ApplyResponse> {
    const request = applyRequest(wanted);
    const eventIds = request.operations.map(({ eventId }) => eventId);
    return this.#write(contract.apply, request, eventIds, options);
  }

  /** Follows stocks: a snapshot, then each change once, over restarts of the service and broken connections. */
  watch(wanted: Watch, options: WatchOptions = {}): AsyncGenerator<WatchUpdate, void, undefined> {
    return new Watching(this.#channels, wanted, options, this.options.backoff).updates();
  }

  /** Streams what a store did up, and what others did in it down, for as long as the store lives. */
  sync(wanted: Sync, options: SyncOptions = {}): AsyncGenerator<SyncUpdate, void, undefined> {
    const list = (stocks: List, signal: AbortSignal) => this.list(stocks, { signal });
    const parts = { channels: this.#channels, list, backoff: this.options.backoff };
    return new Syncing(parts, wanted, options).updates();
  }

  /** Resolves once there is a connection; no call needs that. @throws Error where there is none in time */
  ready(deadlineMs: number = this.options.deadlineMs ?? DEFAULT_DEADLINE_MS): Promise<void> {
    return this.#channels.ready(deadlineMs);
  }

  /** Closes the connections once the calls on them are done. Streams are ended by their signals. */
  close(): void {
    this.#channels.close();
  }

  #read<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    return this.#calls.run(method, request, { limit: this.#reads }, options);
  }

  #write<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    eventIds: readonly string[],
    options: CallOptions,
  ): Promise<Response> {
    return this.#calls.run(method, request, { limit: this.#writes, eventIds }, options);
  }
}

async function* pages<Page extends { nextPageToken: string }>(
  ask: (pageToken: string) => Promise<Page>,
  first = '',
): AsyncGenerator<Page, void, undefined> {
  let pageToken = first;
  do {
    const page = await ask(pageToken);
    yield page;
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}

function withStock<Response extends { stock?: Stock | undefined }>(response: Response): WithStock<Response> {
  if (response.stock !== undefined) return { ...response, stock: response.stock };
  const message = 'The answer has no stock: it is not one of an Onhand service';
  throw new OnhandError({ reason: 'UNRECOGNIZED', code: status.UNKNOWN, message });
}
