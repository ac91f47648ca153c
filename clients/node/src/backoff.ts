import { setTimeout as pause } from 'node:timers/promises';

/** How long to wait between tries, in milliseconds. */
export interface BackoffOptions {
  /** The first pause; each further one is twice as long. Default 50. */
  readonly firstDelayMs?: number;
  /** The longest pause. Default 2,000. */
  readonly maxDelayMs?: number;
}

/** Pauses that double, each shortened at random by up to a half, so that many callers do not come back at one moment. */
export class Backoff {
  readonly #firstDelayMs: number;
  readonly #maxDelayMs: number;
  #delayMs: number;

  constructor({ firstDelayMs = 50, maxDelayMs = 2_000 }: BackoffOptions = {}) {
    this.#firstDelayMs = firstDelayMs;
    this.#maxDelayMs = maxDelayMs;
    this.#delayMs = firstDelayMs;
  }

  /** The next pause. @param atLeastMs what the service asks for */
  next(atLeastMs = 0): number {
    const delayMs = this.#delayMs * (0.5 + Math.random() / 2);
    this.#delayMs = Math.min(this.#delayMs * 2, this.#maxDelayMs);
    return Math.max(delayMs, atLeastMs);
  }

  /** Something succeeded: begins again with the first pause. */
  reset(): void {
    this.#delayMs = this.#firstDelayMs;
  }
}

/** Waits, or until the signal is aborted. */
export async function pauseUnless(signal: AbortSignal | undefined, ms: number): Promise<void> {
  await pause(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
