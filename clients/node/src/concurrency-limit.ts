import { status } from '@grpc/grpc-js';
import { OnhandError } from './onhand-error.js';

/** How many calls a client has under way at once. */
export interface LimitOptions {
  /** At most so many reads, and so many commands. Default: 100 for each connection, as many as the service takes on one. */
  readonly max?: number;
}

/** Of its bound, what a limit begins with: many clients at once do not know yet how much each may ask. */
const FIRST_SHARE = 1 / 5;
/** An answer that took less says nothing about the service, whatever the caller's deadline was. */
const SLOW_MS = 100;
/** Of its deadline, what a call takes that tells of a slow service. */
const SLOW_SHARE = 1 / 4;
const DECREASE = 0.7;
/** How long the place of a refused call stays taken: as long as the service asks for, within these bounds. */
const MIN_REFUSED_MS = 100;
const MAX_REFUSED_MS = 1_000;
/** Of its deadline, what a call may wait here; and how long it may, where that was not enough for another one of late. */
const WAIT_SHARE = 1 / 2;
const HOPELESS_WAIT_MS = 20;

/**
 * Lets so many calls be under way as the service answers well, and has the others wait here, where they cost it nothing: sent,
 * they would wait in the connections, first in, first out, until each is answered just after its deadline.
 *
 * The limit grows by its square root in the time of one answer while it is made use of (Netflix, concurrency-limits), and
 * falls to 0.7 of itself when the service refuses for want of room, or takes more than a quarter of a call's deadline. A refusal
 * comes soon, so its place stays taken for as long as the service asks callers to wait. A call may wait for half of its
 * deadline, but for 20 ms only while others have waited in vain: so a burst is told from overload, as CoDel does (RFC 8289).
 */
export class ConcurrencyLimit {
  /** Each tells one of those who wait whether it may go on. */
  readonly #line = new Set<(admitted: boolean) => void>();
  #limit: number;
  #inFlight = 0;
  #decreasedAtMs = Number.NEGATIVE_INFINITY;
  /** When a call last waited in vain. */
  #refusedAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly max: number) {
    if (!(max >= 1)) throw new RangeError(`limit.max must be at least 1, it is ${max}`);
    this.#limit = Math.max(1, FIRST_SHARE * max);
  }

  /** So many calls may be under way. */
  get current(): number {
    return Math.floor(this.#limit);
  }

  /**
   * Waits until a call may be sent; `leave` must then tell how it ended.
   *
   * @returns whether it may; at once where there is room. False, too, once the signal is aborted
   */
  enter(deadlineMs: number, signal?: AbortSignal): boolean | Promise<boolean> {
    if (this.#line.size === 0 && this.#hasRoom()) {
      this.#inFlight++;
      return true;
    }
    return this.#wait(this.#waitMs(deadlineMs), signal);
  }

  /** Tells how a call ended that was sent then; `error` undefined where it was answered. */
  leave(sentAtMs: number, deadlineMs: number, error: OnhandError | undefined): void {
    const tookMs = performance.now() - sentAtMs;
    const refused = isRefusal(error);
    if (refused || tookMs > Math.max(SLOW_MS, SLOW_SHARE * deadlineMs)) this.#decrease(sentAtMs);
    else if (error?.reason !== 'UNREACHABLE') this.#increase();
    if (refused) setTimeout(() => this.#free(), refusedMs(error?.retryDelayMs)).unref();
    else this.#free();
  }

  /** Tells that a call that was sent was given up by its caller, which says nothing about the service. */
  leaveUnanswered(): void {
    this.#free();
  }

  #free(): void {
    this.#inFlight--;
    for (const first of this.#line) {
      if (!this.#hasRoom()) return;
      this.#inFlight++;
      first(true);
    }
  }

  #hasRoom(): boolean {
    return this.#inFlight < this.current;
  }

  /** Once for all calls that were sent before. */
  #decrease(sentAtMs: number): void {
    if (sentAtMs < this.#decreasedAtMs) return;
    this.#decreasedAtMs = performance.now();
    this.#limit = Math.max(1, DECREASE * this.#limit);
  }

  #increase(): void {
    if (this.#inFlight >= this.#limit / 2)
      this.#limit = Math.min(this.max, this.#limit + 1 / Math.sqrt(this.#limit));
  }

  #waitMs(deadlineMs: number): number {
    const waitMs = WAIT_SHARE * deadlineMs;
    return performance.now() - this.#refusedAtMs < waitMs ? Math.min(waitMs, HOPELESS_WAIT_MS) : waitMs;
  }

  #wait(waitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (admitted: boolean) => {
        this.#line.delete(settle);
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        resolve(admitted);
      };
      const giveUp = () => settle(false);
      const timer = setTimeout(() => {
        this.#refusedAtMs = performance.now();
        giveUp();
      }, waitMs);
      signal?.addEventListener('abort', giveUp);
      this.#line.add(settle);
    });
  }
}

/** Whether the service has no room for the call. A message that is too large says nothing of the kind. */
const isRefusal = (error: OnhandError | undefined): boolean =>
  error?.code === status.RESOURCE_EXHAUSTED && error.reason !== 'MESSAGE_TOO_LARGE';

const refusedMs = (retryDelayMs = 0): number =>
  Math.min(MAX_REFUSED_MS, Math.max(MIN_REFUSED_MS, retryDelayMs));

/** What a call that was not sent fails with. */
export const refusedHere = (): OnhandError =>
  new OnhandError({
    reason: 'QUEUE_FULL',
    code: status.RESOURCE_EXHAUSTED,
    message:
      'Refused by this client: as many calls are under way as the service answers in time; ask less, or later',
    local: true,
  });
