import type { OverloadOutcome, OverloadPlan } from './overload-plan.js';
import { quantile } from './statistics.js';

export type OverloadKind = 'done' | 'refusedThere' | 'refusedHere' | 'late';

/** What becomes of the sales of one plan. Those that are due before its warm-up is over are not counted. */
export class OverloadCounts {
  readonly startedMs = performance.now();
  readonly endMs: number;
  underWay = 0;
  readonly #countsFromMs: number;
  readonly #seconds: number;
  readonly #counts = { offered: 0, done: 0, refusedThere: 0, refusedHere: 0, late: 0 };
  readonly #latenciesMs: number[] = [];
  readonly #refusalsMs: number[] = [];
  #cpu = process.cpuUsage();
  #measuring = false;

  constructor({ warmUpSeconds, seconds }: OverloadPlan) {
    this.#countsFromMs = this.startedMs + 1_000 * warmUpSeconds;
    this.endMs = this.#countsFromMs + 1_000 * seconds;
    this.#seconds = seconds;
  }

  /** A sale is due. @returns what is to be told how it ended */
  begin(dueMs: number): (kind: OverloadKind) => void {
    const counts = dueMs >= this.#countsFromMs;
    if (counts) this.#beginToMeasure();
    this.underWay++;
    return (kind) => {
      this.underWay--;
      if (!counts) return;
      this.#counts[kind]++;
      const tookMs = performance.now() - dueMs;
      if (kind === 'done') this.#latenciesMs.push(tookMs);
      else if (kind !== 'late') this.#refusalsMs.push(tookMs);
    };
  }

  outcome(): OverloadOutcome {
    const { user, system } = process.cpuUsage(this.#cpu);
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    const refusals = Float64Array.from(this.#refusalsMs).sort();
    return {
      ...{ seconds: this.#seconds, ...this.#counts },
      ...{
        p50Ms: quantile(sorted, 0.5),
        p99Ms: quantile(sorted, 0.99),
        refusalP50Ms: quantile(refusals, 0.5),
      },
      loadCpus: (user + system) / 1_000 / (performance.now() - this.#countsFromMs),
    };
  }

  #beginToMeasure(): void {
    this.#counts.offered++;
    if (this.#measuring) return;
    this.#measuring = true;
    this.#cpu = process.cpuUsage();
  }
}
