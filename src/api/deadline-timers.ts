/**
 * Calls what is due at a deadline. Deadlines of one millisecond share one timer: with tens of thousands of calls a second,
 * almost all of which are over long before their deadline, a timer for each would be the dearest part of a cached read.
 */
export class DeadlineTimers {
  readonly #due = new Map<number, Set<() => void>>();

  /**
   * @param deadlineMs on the clock of performance.now().
   * @returns what gives it up.
   */
  add(deadlineMs: number, passed: () => void): () => void {
    const atMs = Math.ceil(deadlineMs);
    const calls = this.#due.get(atMs) ?? this.#start(atMs);
    calls.add(passed);
    return () => calls.delete(passed);
  }

  #start(atMs: number): Set<() => void> {
    const calls = new Set<() => void>();
    this.#due.set(atMs, calls);
    const fire = () => {
      this.#due.delete(atMs);
      for (const passed of calls) passed();
    };
    // A call that runs holds up its process by itself.
    setTimeout(fire, atMs - performance.now()).unref();
    return calls;
  }
}
