import type { StockChange, StockCopy, StockKey, StockRow } from '../domain/types.js';
import type { FeedListener, Position } from '../feed/tail.js';
import { type Freshness, freshnessOf } from './freshness.js';
import type { LocalCache } from './local-cache.js';
import type { SharedCache } from './shared-cache.js';

import { nameOf } from './stock-copy.js';

/** Older than this, and what the feed has delivered is not trusted while anything else answers. */
const FRESH_FOR_MS = 1_000;

/** A stock out of a cache, at version 0 where there is none for sure. */
export type CachedStock = Freshness & { readonly stock: StockRow };

/**
 * The caches in front of the database: in this process, then in Redis. What the feed has delivered decides what may be
 * answered: a copy from wherever holds every change of its stock up to the feed's watermark, or it is not used.
 */
export class StockCaches implements FeedListener {
  /** @param shared undefined where there is no Redis. */
  constructor(
    private readonly local: LocalCache,
    private readonly shared: SharedCache | undefined,
  ) {}

  /** At most how old the copies in here are; infinite where that is not known. */
  get ageMs(): number {
    return this.local.ageMs;
  }

  /** Out of this process's memory, if that is fresh. */
  get(key: StockKey): CachedStock | undefined {
    const { ageMs } = this.local;
    if (ageMs > FRESH_FOR_MS) return undefined;
    const stock = this.local.get(nameOf(key));
    return stock && cached(stock, 'LOCAL_CACHE', ageMs);
  }

  /** Out of Redis, if that has it and it is fresh. Never throws. */
  async getShared(key: StockKey): Promise<CachedStock | undefined> {
    return this.local.ageMs > FRESH_FOR_MS ? undefined : await this.#getShared(key, FRESH_FOR_MS);
  }

  /** A stock out of either, however old: where nothing else answers. Never throws. */
  async getOld(key: StockKey): Promise<CachedStock | undefined> {
    const stock = this.local.get(nameOf(key));
    if (stock !== undefined) return cached(stock, 'LOCAL_CACHE', this.local.ageMs);
    const shared = await this.#getShared(key, Number.POSITIVE_INFINITY);
    return shared?.stock.version === 0n ? undefined : shared;
  }

  /** A snapshot of the database showed these. */
  read(copies: readonly StockCopy[]): void {
    for (const copy of copies) this.local.offer(copy);
    this.shared?.write(copies);
  }

  /** This process has committed these. Never waits, never throws. */
  committed(copies: readonly StockCopy[]): void {
    this.read(copies);
  }

  /** Another process has committed these. */
  heard(copies: readonly StockCopy[]): void {
    for (const copy of copies) this.local.refresh(copy);
  }

  advanced(position: Position, changes: readonly StockChange[]): void {
    this.local.advanced(position, changes);
    this.shared?.follow(position.cursor);
  }

  restarted(position: Position): void {
    this.local.restarted(position);
    this.shared?.follow(position.cursor);
  }

  /** Whether it may be used is found out when it has come. */
  async #getShared(key: StockKey, limitMs: number): Promise<CachedStock | undefined> {
    const copy = await this.shared?.read(key);
    const { ageMs } = this.local;
    if (copy === undefined || ageMs > limitMs || !this.local.accepts(copy)) return undefined;
    this.local.offer(copy);
    return cached(copy.stock, 'SHARED_CACHE', ageMs);
  }
}

// The answer that is wanted most: no object is spread.
function cached(stock: StockRow, source: 'LOCAL_CACHE' | 'SHARED_CACHE', ageMs: number): CachedStock {
  const { maxAgeMs, stale } = freshnessOf(source, ageMs);
  return { stock, source, cached: true, maxAgeMs, stale };
}
