import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { Stock } from '../../src/gen/grpc/inventory/v1/inventory.js';
import type {
  InventoryServiceClient,
  StockChange,
  WatchRequest,
  WatchResponse,
} from '../../src/gen/grpc/inventory/v1/inventory_service.js';
import { monotonicMs } from '../load/journal.js';
import { connect, reasonOf } from '../load/service-calls.js';

/** What one stream is about. */
export interface WatchFilter {
  readonly storeId: string;
  readonly productIds: readonly string[];
}

/** What a follower knows of a stock. */
export interface FollowedStock {
  readonly version: number;
  /** quantity - oversold. */
  readonly net: number;
}

/** What a follower has seen, besides the stocks. */
export interface FollowerTotals {
  changes: number;
  /** Streams that ended and were followed by another one. */
  reconnects: number;
  /** Of these, the ones that had to begin anew. */
  resyncs: number;
  /** Changes that had been seen on an earlier stream. */
  repeats: number;
  skippedVersions: number;
}

export interface FollowerOptions extends WatchFilter {
  /** Services as host:port: whenever a stream ends, the next one goes to the next of them. */
  readonly addresses: readonly string[];
  readonly onChange?: (change: StockChange, seenMs: number) => void;
}

const RECONNECT_AFTER_MS = 50;
const SHOWN_PROBLEMS = 5;

const keyOf = ({ storeId, productId }: Stock): string => `${storeId} ${productId}`;
const netOf = ({ quantity, oversold }: Stock): number => quantity - oversold;

/**
 * Watches as callers are told to: goes on from the newest cursor whenever a stream ends, and begins anew where it is told to
 * (RESYNC). Judges what it sees: each stock's versions follow on each other, and so do their quantities.
 */
export class WatchFollower {
  readonly stocks = new Map<string, FollowedStock>();
  readonly totals: FollowerTotals = { changes: 0, reconnects: 0, resyncs: 0, repeats: 0, skippedVersions: 0 };
  readonly problems: string[] = [];
  /** The newest watermark, in microseconds since 1970; 0 before the first. */
  watermarkUs = 0;
  #cursor = '';
  #next = 0;
  #client: InventoryServiceClient | undefined;
  #stream: ClientReadableStream<WatchResponse> | undefined;
  #stopped = false;
  /** The newest versions that the present stream has sent. */
  #sentNow = new Map<string, number>();

  constructor(private readonly options: FollowerOptions) {
    this.#watch();
  }

  /** The snapshot, if there was one, is complete. */
  get following(): boolean {
    return this.#cursor !== '';
  }

  /** Reads nothing more, until it is to resume. */
  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#stream?.cancel();
    this.#client?.close();
  }

  #watch(): void {
    const { addresses, storeId, productIds } = this.options;
    const request: WatchRequest = { storeId, productIds: [...productIds], cursor: this.#cursor };
    this.#client = connect(addresses[this.#next++ % addresses.length]!);
    this.#sentNow = new Map();
    const stream = this.#client.watch(request);
    this.#stream = stream;
    stream.on('data', (response: WatchResponse) => this.#take(response));
    let over = false;
    const again = (error?: ServiceError) => {
      if (over || this.#stopped) return;
      over = true;
      this.#client?.close();
      this.totals.reconnects++;
      if (error !== undefined && reasonOf(error) === 'RESYNC') this.#beginAnew();
      setTimeout(() => this.#stopped || this.#watch(), RECONNECT_AFTER_MS);
    };
    stream.on('error', again);
    stream.on('end', () => again());
  }

  #beginAnew(): void {
    this.totals.resyncs++;
    this.#cursor = '';
    this.stocks.clear();
  }

  #take({ stocks, changes, cursor, watermark }: WatchResponse): void {
    const seenMs = monotonicMs();
    for (const stock of stocks) {
      this.stocks.set(keyOf(stock), { version: Number(stock.version), net: netOf(stock) });
    }
    for (const change of changes) {
      this.#judge(change);
      this.options.onChange?.(change, seenMs);
    }
    if (cursor !== '') this.#cursor = cursor;
    if (watermark !== undefined) this.watermarkUs = Number(watermark.seconds) * 1e6 + watermark.nanos / 1000;
  }

  #judge({ stock, appliedDelta, skippedVersions }: StockChange): void {
    const key = keyOf(stock!);
    const version = Number(stock!.version);
    const net = netOf(stock!);
    const skipped = Number(skippedVersions);
    this.totals.changes++;
    this.totals.skippedVersions += skipped;
    if (version <= (this.#sentNow.get(key) ?? 0))
      this.#problem(`${key}: version ${version} twice in a stream`);
    this.#sentNow.set(key, version);
    const before = this.stocks.get(key) ?? { version: 0, net: 0 };
    if (version <= before.version) {
      this.totals.repeats++;
      return;
    }
    if (version !== before.version + skipped + 1)
      this.#problem(`${key}: version ${version} (${skipped} skipped) after ${before.version}`);
    else if (skipped === 0 && net !== before.net + appliedDelta)
      this.#problem(`${key}: ${before.net} and ${appliedDelta} make ${net} at version ${version}`);
    this.stocks.set(key, { version, net });
  }

  #problem(problem: string): void {
    if (this.problems.length < SHOWN_PROBLEMS) this.problems.push(problem);
  }
}
