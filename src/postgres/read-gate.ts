/** Why a read did not get in: too many wait already, or it waited too long. */
export class GateFull extends Error {
  constructor() {
    super('too many reads at once');
  }
}

/**
 * Lets so many reads at a server run at once; the next ones wait, a bounded number of them and for a bounded time. What a
 * cache lost must not come down on the server all at once.
 */
export class ReadGate {
  #running = 0;
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly limit: number,
    private readonly waitingLimit: number,
  ) {}

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** @throws GateFull, and what the work throws. */
  async run<T>(patienceMs: number, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.limit) await this.#wait(patienceMs);
    else this.#running++;
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Resolves with a place. */
  #wait(patienceMs: number): Promise<void> {
    if (this.#waiting.size >= this.waitingLimit) return Promise.reject(new GateFull());
    return new Promise((resolve, reject) => {
      const enter = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(enter);
        reject(new GateFull());
      }, patienceMs);
      this.#waiting.add(enter);
    });
  }

  /** The place goes to who waits longest, if anybody does. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#running--;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
