import { type CallOptions as ConnectCallOptions, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { poll } from '../dev/poll.js';
import { BadRequestSchema, ErrorInfoSchema } from '../gen/connect/google/rpc/error_details_pb.js';
import { InventoryService } from '../gen/connect/inventory/v1/inventory_service_pb.js';
import type { StockChange, WatchResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import { type Callers, failureOfGrpc } from './callers.js';

/** For tests: how to watch. */
export const WATCH_TRANSPORTS = ['gRPC', 'Connect, JSON', 'Connect, binary', 'gRPC-Web'] as const;
export type WatchTransport = (typeof WATCH_TRANSPORTS)[number];

export interface Watched {
  readonly storeId?: string;
  readonly productIds?: readonly string[];
  readonly cursor?: string;
}

interface Source {
  readonly callers: Callers;
  readonly httpUrl: string;
}

const PATIENCE_MS = 20_000;

/** For tests: one stream of changes, read as fast as it comes, and all that it gave. */
export class Watching {
  readonly messages: WatchResponse[] = [];
  /** Why it ended, if not by the test. */
  reason: string | undefined;
  fieldViolations: readonly { field: string; description: string }[] = [];
  readonly #aborter = new AbortController();
  readonly #done: Promise<void>;

  constructor(source: Source, transport: WatchTransport, watched: Watched, timeoutMs?: number) {
    this.#done =
      transport === 'gRPC'
        ? this.#overGrpc(source, watched, timeoutMs)
        : this.#overConnect(source, transport, watched, timeoutMs);
  }

  get stocks() {
    return this.messages.flatMap((message) => message.stocks);
  }

  get changes(): StockChange[] {
    return this.messages.flatMap((message) => message.changes);
  }

  get complete(): boolean {
    return this.messages.some((message) => message.snapshotComplete);
  }

  /** Where to go on. */
  get cursor(): string {
    return this.messages.findLast((message) => message.cursor !== '')?.cursor ?? '';
  }

  async until(condition: (watching: this) => boolean): Promise<this> {
    const met = await poll(() => condition(this) || undefined, PATIENCE_MS, 5);
    if (met === undefined) {
      const seen = `${this.stocks.length} stocks, ${this.changes.length} changes, ${this.reason}`;
      throw new Error(`It did not come to pass: ${condition} (${seen})`);
    }
    return this;
  }

  /** Leaves. */
  async stop(): Promise<void> {
    this.#aborter.abort();
    await this.#done;
  }

  /** Waits until the service has ended it. */
  async end(): Promise<this> {
    await this.#done;
    return this;
  }

  #overGrpc({ callers }: Source, watched: Watched, timeoutMs?: number): Promise<void> {
    const deadline = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
    const request = { storeId: '', cursor: '', ...watched, productIds: [...(watched.productIds ?? [])] };
    const call = callers.grpc.watch(request, new Metadata(), deadline);
    this.#aborter.signal.addEventListener('abort', () => call.cancel());
    call.on('data', (message: WatchResponse) => this.messages.push(message));
    return new Promise((resolve) => {
      call.on('error', (error: ServiceError) => {
        const failure = failureOfGrpc(error);
        this.reason ??= this.#aborter.signal.aborted ? undefined : (failure.reason ?? failure.code);
        this.fieldViolations = failure.fieldViolations ?? [];
        resolve();
      });
      call.on('end', resolve);
    });
  }

  async #overConnect(
    { httpUrl }: Source,
    transport: WatchTransport,
    { storeId, productIds, cursor }: Watched,
    timeoutMs?: number,
  ): Promise<void> {
    const options = {
      baseUrl: httpUrl,
      httpVersion: '1.1',
      useBinaryFormat: transport !== 'Connect, JSON',
    } as const;
    const made = transport === 'gRPC-Web' ? createGrpcWebTransport(options) : createConnectTransport(options);
    const callOptions: ConnectCallOptions = { signal: this.#aborter.signal };
    if (timeoutMs !== undefined) callOptions.timeoutMs = timeoutMs;
    const request = {
      storeId: storeId ?? '',
      productIds: [...(productIds ?? [])],
      cursor: cursor ?? '',
    };
    try {
      const stream = createClient(InventoryService, made).watch(request, callOptions);
      for await (const message of stream) this.messages.push(message as unknown as WatchResponse);
    } catch (thrown) {
      if (this.#aborter.signal.aborted) return;
      const error = ConnectError.from(thrown);
      this.reason = error.findDetails(ErrorInfoSchema)[0]?.reason ?? `code ${error.code}: ${error.message}`;
      this.fieldViolations = error.findDetails(BadRequestSchema).flatMap((each) => each.fieldViolations);
    }
  }
}
