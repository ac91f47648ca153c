import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { StockRow } from '../domain/types.js';
import { createRedis } from '../redis/client.js';
import type { Cursor } from './cursor.js';
import type { FeedListener, Position } from './tail.js';

/** What hints tell about themselves. */
export interface HintObserver {
  hint(direction: 'sent' | 'lost' | 'received'): void;
}

export interface HintsOptions {
  readonly redisUrl: string;
  /** Another process has committed something. */
  readonly heard: () => void;
  readonly observer: HintObserver;
}

/** Those of one database and timeline meet, and no others: Redis may serve several, and outlive a primary. */
const channelOf = ({ database, timeline }: Cursor): string => `onhand:hints:${database}:${timeline}`;

/**
 * Tells other processes, through Redis, that something was committed, so that their feeds need not wait for their next poll.
 * Hints only make it faster: what Redis loses is found by the polls. Nothing waits for it, and nothing fails with it.
 *
 * A message is the sender's id, a space, and the stocks as they were committed, as JSON:
 * `[[storeId, productId, net, version, createTimeUs, updateTimeUs], …]`.
 */
export class Hints implements FeedListener {
  readonly #id = randomUUID();
  readonly #publisher: Redis;
  readonly #subscriber: Redis;
  #channel: string | undefined;

  constructor(private readonly options: HintsOptions) {
    // What goes wrong here is told by the health of Redis, and by the hints that are lost.
    this.#publisher = createRedis(options.redisUrl, () => undefined);
    this.#subscriber = createRedis(options.redisUrl, () => undefined);
    this.#subscriber.on('ready', () => this.#subscribe());
    this.#subscriber.on('message', (_channel: string, message: string) => this.#receive(message));
  }

  advanced(position: Position): void {
    this.#follow(position.cursor);
  }

  restarted(position: Position): void {
    this.#follow(position.cursor);
  }

  /** Tells the others what was committed. Never waits, never throws. */
  publish(stocks: readonly StockRow[]): void {
    if (this.#channel === undefined) return;
    const { observer } = this.options;
    this.#publisher.publish(this.#channel, `${this.#id} ${encode(stocks)}`).then(
      () => observer.hint('sent'),
      () => observer.hint('lost'),
    );
  }

  stop(): void {
    this.#publisher.disconnect();
    this.#subscriber.disconnect();
  }

  #follow(cursor: Cursor): void {
    const channel = channelOf(cursor);
    if (channel === this.#channel) return;
    const before = this.#channel;
    this.#channel = channel;
    if (this.#subscriber.status !== 'ready') return;
    if (before !== undefined) this.#subscriber.unsubscribe(before).catch(() => undefined);
    this.#subscribe();
  }

  /** Where it fails the connection is gone, and the next one subscribes. */
  #subscribe(): void {
    if (this.#channel !== undefined) this.#subscriber.subscribe(this.#channel).catch(() => undefined);
  }

  #receive(message: string): void {
    if (message.startsWith(this.#id)) return;
    this.options.observer.hint('received');
    this.options.heard();
  }
}

const encode = (stocks: readonly StockRow[]): string =>
  JSON.stringify(
    stocks.map(({ storeId, productId, net, version, createTimeUs, updateTimeUs }) => [
      storeId,
      productId,
      net,
      String(version),
      createTimeUs,
      updateTimeUs,
    ]),
  );
