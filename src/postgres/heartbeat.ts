import type { Pool } from './pool.js';

const READ_BEAT = {
  name: 'read_beat',
  text: 'SELECT n, time, clock_timestamp() AS now, pg_is_in_recovery() AS standby FROM heartbeat',
};

/** Only the first of several processes that saw the same old beat makes the next one. */
const MAKE_BEAT = {
  name: 'make_beat',
  text: 'UPDATE heartbeat SET n = n + 1, time = clock_timestamp() WHERE n = $1 RETURNING n, time',
};

/** A beat older than this is followed by a new one; also the pause between two looks. */
const PERIOD_MS = 200;
/** The primary counts as writable this long after it was last seen to be. */
const WRITABLE_FOR_MS = 2_000;

interface Sight {
  /** performance.now() before the statement was sent. */
  readonly sentMs: number;
  /** The primary's clock when it answered: not earlier than `sentMs`. */
  readonly nowUs: number;
}

/**
 * Watches, and keeps going, the heartbeat row on the primary. Every snapshot holds a beat; whoever holds the beat's
 * time can tell how old the snapshot may be at most, on this process's own monotonic clock: no clocks of two machines
 * are compared.
 */
export class Heartbeat {
  #newest = 0n;
  #newestTimeUs: number | undefined;
  #sight: Sight | undefined;
  #writableAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** The newest beat that this process knows of. */
  get newest(): bigint {
    return this.#newest;
  }

  /** Whether the server behind the primary's address was a primary, and took a write, in the last two seconds. */
  get writable(): boolean {
    return performance.now() - this.#writableAtMs < WRITABLE_FOR_MS;
  }

  /**
   * At most how old, in milliseconds, a snapshot is that holds a beat of this time: everything committed earlier than
   * that is in it. Undefined while the primary has never been reached.
   */
  ageMs(beatTimeUs: number): number | undefined {
    if (this.#sight === undefined) return undefined;
    const beatMs = this.#sight.sentMs - (this.#sight.nowUs - beatTimeUs) / 1000;
    return Math.max(0, performance.now() - beatMs);
  }

  /** The age of the newest beat that was seen, in seconds; undefined while none was. For metrics. */
  get newestAgeSeconds(): number | undefined {
    const ageMs = this.#newestTimeUs === undefined ? undefined : this.ageMs(this.#newestTimeUs);
    return ageMs === undefined ? undefined : ageMs / 1000;
  }

  /** Looks once, so that ages are known from the start, then every 200 ms. */
  async start(): Promise<void> {
    await this.#look();
    this.#schedule();
  }

  /** Stops; resolves when no statement is under way. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#looking;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().then(() => this.#schedule());
    }, PERIOD_MS);
  }

  async #look(): Promise<void> {
    try {
      const sentMs = performance.now();
      const { n, time, now, standby } = (await this.pool.query(READ_BEAT)).rows[0];
      if (standby) return;
      this.#sight = { sentMs, nowUs: now };
      this.#newest = n;
      this.#newestTimeUs = time;
      if (now - time >= PERIOD_MS * 1000) {
        const made = await this.pool.query({ ...MAKE_BEAT, values: [n] });
        const { n: madeN, time: madeTime } = made.rows[0] ?? { n, time };
        this.#newest = madeN;
        this.#newestTimeUs = madeTime;
      }
      this.#writableAtMs = sentMs;
    } catch (error) {
      this.onError(error);
    }
  }
}
