import type { ReadPath } from './read-path.js';

const PERIOD_MS = 500;
/** A database that answered within this time counts as there. */
const FRESH_FOR_MS = 2_000;

/** Watches whether some database answers reads. */
export class SourceWatch {
  #answeredMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly reads: ReadPath) {}

  get answering(): boolean {
    return performance.now() - this.#answeredMs < FRESH_FOR_MS;
  }

  /** Looks once, then every half second. */
  async start(): Promise<void> {
    const askedMs = performance.now();
    if (await this.reads.probe()) this.#answeredMs = askedMs;
    this.#timer = setTimeout(() => void this.start(), PERIOD_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
