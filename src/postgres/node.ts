import type { Look } from './beat-statements.js';
import { lookAt } from './beat-statements.js';
import type { Pool, PoolLimits } from './pool.js';
import { createPool, destroyPool } from './pool.js';
import { ReadGate } from './read-gate.js';

export interface NodeOptions {
  readonly url: string;
  readonly limits: PoolLimits;
  /** Reads that may run at once. */
  readonly readLimit: number;
  readonly onError: (pool: string, error: unknown) => void;
}

/** Longer without an answer, and a server is not counted on. */
const FRESH_FOR_MS = 2_500;
/** A server that failed a read is left alone this long, so that reads do not wait for it one by one. */
const REST_MS = 1_000;
/** Reads that may wait, beside those that run. */
const WAITING_LIMIT = 1_000;
/** One connection to look with, so that looks wait for nobody. */
const LOOK_LIMITS: PoolLimits = { max: 1, min: 0, idleMs: 600_000, lifetimeMs: 1_800_000 };

/** One PostgreSQL server: what it was when it was last looked at, and the connections for reading from it. */
export class Node {
  /** host:port, as logs and metrics call it. */
  readonly name: string;
  readonly url: string;
  readonly reads: Pool;
  /** What reads of callers go through. */
  readonly gate: ReadGate;
  readonly #looks: Pool;
  #look: Look | undefined;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ url, limits, readLimit, onError }: NodeOptions) {
    const { hostname, port } = new URL(url);
    this.name = `${hostname}:${port || 5432}`;
    this.url = url;
    const pool = (name: string, bounds: PoolLimits) =>
      createPool({ url, name, limits: bounds, onError: (error) => onError(`${name} ${this.name}`, error) });
    this.reads = pool('reads', limits);
    this.gate = new ReadGate(readLimit, WAITING_LIMIT);
    this.#looks = pool('looks', LOOK_LIMITS);
  }

  /** What it was when it last answered, if that was a moment ago. */
  get look(): Look | undefined {
    return this.answeredWithin(FRESH_FOR_MS) ? this.#look : undefined;
  }

  /** What it was when it last answered, however long that is ago. */
  get lastLook(): Look | undefined {
    return this.#look;
  }

  /** Whether it failed a read a moment ago. */
  get resting(): boolean {
    return performance.now() < this.#restUntilMs;
  }

  /** Reads that run or wait. */
  get load(): number {
    const { totalCount, idleCount, waitingCount } = this.reads;
    return totalCount - idleCount + waitingCount + this.gate.waiting;
  }

  answeredWithin(ms: number): boolean {
    return this.#look !== undefined && performance.now() - this.#look.sentMs < ms;
  }

  rest(): void {
    this.#restUntilMs = performance.now() + REST_MS;
  }

  /** Looks at it. @throws what the connection or the server says. */
  async lookAgain(): Promise<Look> {
    this.#look = await lookAt(this.#looks);
    return this.#look;
  }

  async close(): Promise<void> {
    await Promise.all([this.reads.end(), destroyPool(this.#looks)]);
  }
}
