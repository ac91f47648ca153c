interface Flight<T> {
  readonly deadlineMs: number;
  readonly answer: Promise<T>;
}

/** A flight that ended this near to its deadline may have failed for want of time. */
const NEAR_DEADLINE_MS = 100;

/** Reads that run, by what they read: whoever wants the same takes the same answer. */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * The answer of the read that runs, or of a new one.
   *
   * @param deadlineMs of the caller, on the clock of performance.now(): with more time than the one who started it, it does
   *   not fail with it.
   */
  async join(name: string, deadlineMs: number, read: () => Promise<T>): Promise<T> {
    for (;;) {
      const flight = this.#flights.get(name);
      if (flight === undefined) return await this.#start(name, deadlineMs, read);
      try {
        return await flight.answer;
      } catch (error) {
        const forWantOfTime = performance.now() > flight.deadlineMs - NEAR_DEADLINE_MS;
        if (!forWantOfTime || deadlineMs <= flight.deadlineMs) throw error;
      }
    }
  }

  #start(name: string, deadlineMs: number, read: () => Promise<T>): Promise<T> {
    const answer = read().finally(() => this.#flights.delete(name));
    this.#flights.set(name, { deadlineMs, answer });
    return answer;
  }
}
