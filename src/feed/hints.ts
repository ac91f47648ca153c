import { randomUUID } from 'node:crypto';
import type { StockCopy } from '../domain/types.js';
import { Breaker, type BreakerState } from '../redis/breaker.js';
import { createRedis, type RedisClient } from '../redis/client.js';
import type { Cursor } from './cursor.js';
import type { FeedListener, Position } from './tail.js';

/** What hints tell about themselves. */
export interface HintObserver {
  hint(direction: 'sent' | 'lost' | 'received'): void;
  breaker(name: string, state: BreakerState): void;
}

export interface HintsOptions {
  readonly redisUrl: string;
  /** Another process has committed these. */
  readonly heard: (copies: readonly StockCopy[]) => void;
  readonly observer: HintObserver;
}

/** Those of one database and timeline meet, and no others: Redis may serve several, and outlive a primary. */
const channelOf = ({ database, timeline }: Cursor): string => `onhand:hints:${database}:${timeline}`;

/**
 * Tells other processes, through Redis, what was committed, so that they need not wait for their feed's next poll.
 * Hints only make it faster: what Redis loses is found by the polls. Nothing waits for it, and nothing fails with it.
 *
 * A message is the sender's id, a space, and the stocks as they were committed, as JSON:
 * `[[storeId, productId, net, version, createTimeUs, updateTimeUs, asOf], …]`, versions and beats as text.
 */
export class Hints implements FeedListener {
  readonly #id = randomUUID();
  readonly #publisher: RedisClient;
  readonly #subscriber: RedisClient;
  /** What Redis does not take would wait in memory. */
  readonly #breaker: Breaker;
  #channel: string | undefined;

  constructor(private readonly options: HintsOptions) {
    // What goes wrong here is told by the health of Redis, and by the hints that are lost.
    const onState = (state: BreakerState) => options.observer.breaker(this.#breaker.name, state);
    this.#breaker = new Breaker({ name: 'redis_hints', onState });
    this.#publisher = createRedis(options.redisUrl, () => undefined);
    this.#subscriber = createRedis(options.redisUrl, () => undefined);
    this.#subscriber.on('ready', () => this.#subscribe());
    this.#subscriber.on('message', (channel: string, message: string) => this.#receive(channel, message));
  }

  advanced(position: Position): void {
    this.#follow(position.cursor);
  }

  restarted(position: Position): void {
    this.#follow(position.cursor);
  }

  /** Tells the others what was committed. Never waits, never throws. */
  publish(copies: readonly StockCopy[]): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    const { observer } = this.options;
    const publish = () => this.#publisher.publish(channel, `${this.#id} ${encode(copies)}`);
    this.#breaker.run(publish).then(
      () => observer.hint('sent'),
      () => observer.hint('lost'),
    );
  }

  breakerState(): [name: string, state: BreakerState] {
    return [this.#breaker.name, this.#breaker.state];
  }

  stop(): void {
    this.#breaker.stop();
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

  /** What still comes from the channel of an older timeline may not have happened. */
  #receive(channel: string, message: string): void {
    if (channel !== this.#channel || message.startsWith(this.#id)) return;
    const copies = decode(message.slice(message.indexOf(' ') + 1));
    if (copies === undefined) return;
    this.options.observer.hint('received');
    this.options.heard(copies);
  }
}

type Encoded = readonly [string, string, number, string, number, number, string];

const encode = (copies: readonly StockCopy[]): string =>
  JSON.stringify(
    copies.map(({ stock, asOf }): Encoded => {
      const { storeId, productId, net, version, createTimeUs, updateTimeUs } = stock;
      return [storeId, productId, net, String(version), createTimeUs, updateTimeUs, String(asOf)];
    }),
  );

/** Undefined for what no process of ours has sent. */
function decode(text: string): StockCopy[] | undefined {
  try {
    return (JSON.parse(text) as Encoded[]).map(
      ([storeId, productId, net, version, createTimeUs, updateTimeUs, asOf]) => ({
        stock: { storeId, productId, net, version: BigInt(version), createTimeUs, updateTimeUs },
        asOf: BigInt(asOf),
      }),
    );
  } catch {
    return undefined;
  }
}
