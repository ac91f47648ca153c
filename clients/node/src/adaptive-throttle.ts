import { status } from '@grpc/grpc-js';
import { OnhandError } from './onhand-error.js';

/** How a client holds back by itself while the service is overloaded. */
export interface ThrottleOptions {
  /** So many times as much as the service accepts is sent, at most; the rest is refused here. From 1; default 2. */
  readonly multiplier?: number;
  /** Over how long both are counted, in milliseconds; default 10,000. */
  readonly windowMs?: number;
}

const SLICES = 20;

/**
 * Client-side throttling (Google's SRE book, "Handling Overload"): a refusal costs an overloaded service half of what a sale
 * costs, so that a client that is refused a lot asks less. Refuses with the probability
 * `(requests - multiplier * accepts) / (requests + 1)`, counted over the last seconds, those refused here among the requests.
 * What is under way is not counted before it ends: a burst after a quiet time would look refused.
 */
export class AdaptiveThrottle {
  readonly #multiplier: number;
  readonly #sliceMs: number;
  readonly #slices = Array.from({ length: SLICES }, () => ({ requests: 0, accepts: 0 }));
  #requests = 0;
  #accepts = 0;
  #slice: number;

  constructor(
    { multiplier = 2, windowMs = 10_000 }: ThrottleOptions = {},
    private readonly now: () => number = () => performance.now(),
    private readonly random: () => number = Math.random,
  ) {
    if (!(multiplier >= 1)) throw new RangeError(`multiplier must be at least 1, it is ${multiplier}`);
    if (!(windowMs > 0)) throw new RangeError(`windowMs must be above 0, it is ${windowMs}`);
    this.#multiplier = multiplier;
    this.#sliceMs = windowMs / SLICES;
    this.#slice = this.#sliceNow();
  }

  /** The probability with which the next call is refused, 0 to 1. */
  get refusing(): number {
    this.#move();
    return Math.max(0, (this.#requests - this.#multiplier * this.#accepts) / (this.#requests + 1));
  }

  /** Whether a call may be sent; `ended` then tells how it ended. */
  admits(): boolean {
    const admitted = this.random() >= this.refusing;
    if (!admitted) this.#count('requests');
    return admitted;
  }

  /** Tells how a call that was sent has ended; `error` undefined where it was answered. */
  ended(error: OnhandError | undefined): void {
    this.#move();
    this.#count('requests');
    if (error === undefined || !isOverload(error)) this.#count('accepts');
  }

  #count(what: 'requests' | 'accepts'): void {
    this.#slices[this.#slice % SLICES]![what]++;
    if (what === 'requests') this.#requests++;
    else this.#accepts++;
  }

  /** Leaves out what is older than the window. */
  #move(): void {
    const now = this.#sliceNow();
    for (let left = Math.min(now - this.#slice, SLICES); left > 0; left--) {
      const oldest = this.#slices[(now - left + 1) % SLICES]!;
      this.#requests -= oldest.requests;
      this.#accepts -= oldest.accepts;
      oldest.requests = 0;
      oldest.accepts = 0;
    }
    this.#slice = Math.max(now, this.#slice);
  }

  #sliceNow(): number {
    return Math.floor(this.now() / this.#sliceMs);
  }
}

/**
 * Whether the service has too much to do. A deadline that passes once there is a connection says so, too: the service tells
 * of its other troubles. A message that is too large says nothing of the kind.
 */
export function isOverload({ code, reason }: OnhandError): boolean {
  if (code === status.RESOURCE_EXHAUSTED) return reason !== 'MESSAGE_TOO_LARGE';
  return code === status.DEADLINE_EXCEEDED;
}

/** What a call that was not sent fails with. */
export const refusedHere = (): OnhandError =>
  new OnhandError({
    reason: 'QUEUE_FULL',
    code: status.RESOURCE_EXHAUSTED,
    message:
      'Refused by this client: the service has too much to do, as its latest answers show; ask less, or later',
    local: true,
  });
