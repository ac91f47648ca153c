import CircuitBreaker from 'opossum';

export type BreakerState = 'closed' | 'half_open' | 'open';

export interface BreakerOptions {
  readonly name: string;
  readonly onState: (state: BreakerState) => void;
}

const TIMEOUT_MS = 50;
/** Calls of this long are judged together, from so many on: half of them failed, and it opens. */
const WINDOW_MS = 500;
const VOLUME_THRESHOLD = 5;
const OPEN_MS = 1_000;
/** Else all processes would try at once. */
const JITTER = 0.25;

/**
 * Stops asking what does not answer: after a quarter of a second of failures it fails at once, and tries with one call after about a
 * second whether it is back. Whatever rejects counts as a failure, so only what Redis does goes through it.
 */
export class Breaker {
  readonly #circuit: CircuitBreaker<[() => Promise<unknown>], unknown>;

  constructor({ name, onState }: BreakerOptions) {
    const options: CircuitBreaker.Options = {
      name,
      timeout: TIMEOUT_MS,
      errorThresholdPercentage: 50,
      volumeThreshold: VOLUME_THRESHOLD,
      rollingCountTimeout: WINDOW_MS,
      rollingCountBuckets: 5,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      resetTimeout: openMs(),
    };
    this.#circuit = new CircuitBreaker((work: () => Promise<unknown>) => work(), options);
    this.#circuit.on('open', () => {
      // The timer of this time has been set; this is for the next one.
      options.resetTimeout = openMs();
      onState('open');
    });
    this.#circuit.on('halfOpen', () => onState('half_open'));
    this.#circuit.on('close', () => onState('closed'));
  }

  get name(): string {
    return this.#circuit.name;
  }

  get state(): BreakerState {
    if (this.#circuit.opened) return 'open';
    return this.#circuit.halfOpen ? 'half_open' : 'closed';
  }

  /** Runs the work, unless it is open. @throws what the work throws, or Error where it takes more than 50 ms or is not run. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    return (await this.#circuit.fire(work)) as T;
  }

  stop(): void {
    this.#circuit.shutdown();
  }
}

const openMs = (): number => OPEN_MS * (1 - JITTER + 2 * JITTER * Math.random());
