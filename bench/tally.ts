import type { LoadResult } from './load-plan.js';
import { quantile } from './statistics.js';

/** Counts and times the answers of one run. */
export class Tally {
  readonly #latenciesMs: number[] = [];
  #errors = 0;
  #startedMs = 0;
  #stoppedMs = 0;
  #cpu = process.cpuUsage();

  start(): void {
    this.#cpu = process.cpuUsage();
    this.#startedMs = performance.now();
  }

  count(succeeded: boolean, sentMs: number): void {
    if (succeeded) this.#latenciesMs.push(performance.now() - sentMs);
    else this.#errors++;
  }

  stop(): void {
    this.#stoppedMs = performance.now();
    this.#cpu = process.cpuUsage(this.#cpu);
  }

  result(): LoadResult {
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    return {
      answers: sorted.length,
      errors: this.#errors,
      seconds: (this.#stoppedMs - this.#startedMs) / 1000,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      cpuSeconds: (this.#cpu.user + this.#cpu.system) / 1e6,
    };
  }
}
