/** Of the time that a call has, what it may have to wait for its processor. */
const WAIT_SHARE = 1 / 4;
/** A call waits so long at most before anything else is thought of. */
const SHORT_MS = 100;

/**
 * Tells when a process is asked more than its processor can do. Calls are taken in as the event loop finds them: more of them
 * make a turn longer, and each waits for the rest of the turn in which it is taken in, and, with its answer, for the next.
 * A call that would so wait for more than a quarter of its time is better refused: its caller knows at once, and those that
 * were taken in are answered in time.
 */
export class LoopTurns {
  #beganMs: number | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #lastTookMs = 0;

  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly atEndOfTurn: (end: () => void) => unknown = setImmediate,
  ) {}

  /** Whether a call that came just now is answered in time if it is taken in. To be asked once for each. */
  admit(leftMs: number): boolean {
    const nowMs = this.now();
    const beganMs = this.#beganMs ?? this.#begin(nowMs);
    return nowMs - beganMs + this.#lastTookMs <= Math.max(SHORT_MS, WAIT_SHARE * leftMs);
  }

  #begin(nowMs: number): number {
    // Where the loop had nothing to do in between, the next turn will not be like the last one.
    if (nowMs - this.#endedMs > this.#lastTookMs) this.#lastTookMs = 0;
    this.#beganMs = nowMs;
    this.atEndOfTurn(() => {
      this.#endedMs = this.now();
      this.#lastTookMs = this.#endedMs - nowMs;
      this.#beganMs = undefined;
    });
    return nowMs;
  }
}
