import { createRedis, type RedisClient } from './client.js';

const PERIOD_MS = 1_000;

/** Whether Redis answers. Nothing depends on it: without Redis the service is slower, never wrong. */
export class RedisHealth {
  readonly #redis: RedisClient;
  readonly #timer: NodeJS.Timeout;
  #up = false;

  /** @param onChange told when Redis begins or ceases to answer. */
  constructor(
    url: string,
    private readonly onChange: (up: boolean) => void,
  ) {
    // Each lost connection and each refused one is an event; the look once a second says all that is to be said.
    this.#redis = createRedis(url, () => undefined);
    this.#timer = setInterval(() => void this.#look(), PERIOD_MS);
    this.#timer.unref();
    this.#redis.once('ready', () => void this.#look());
  }

  get up(): boolean {
    return this.#up;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#redis.disconnect();
  }

  async #look(): Promise<void> {
    const up = await this.#redis.ping().then(
      () => true,
      () => false,
    );
    if (up === this.#up) return;
    this.#up = up;
    this.onChange(up);
  }
}
