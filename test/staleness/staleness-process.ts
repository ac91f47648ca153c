import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { poll } from '../../src/dev/poll.js';
import { projectRoot } from '../../src/project-root.js';
import { noStaleness, type StalenessTotals } from './staleness-checker.js';
import type { StalenessPlan } from './staleness-plan.js';

/** A client of a staleness run, in a process of its own. */
export class StalenessProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #totals = noStaleness();

  constructor(plan: StalenessPlan) {
    this.#child = fork(join(projectRoot(), 'dist/test/staleness/staleness-client.js'), [
      JSON.stringify(plan),
    ]);
    this.#child.on('message', (totals) => {
      this.#totals = totals as StalenessTotals;
    });
    this.#ended = once(this.#child, 'exit');
  }

  /** What the client last told. */
  get totals(): StalenessTotals {
    return this.#totals;
  }

  /** Waits until there are so many readings in all. @throws Error INVALID with the totals where that takes too long. */
  async untilReadings(readings: number, timeoutMs: number): Promise<void> {
    await this.#until('readings', readings, timeoutMs);
  }

  /** Waits until there are so many more readings than now. @throws Error as `untilReadings`. */
  async untilMoreReadings(readings: number, timeoutMs: number): Promise<void> {
    await this.#until('readings', this.#totals.readings + readings, timeoutMs);
  }

  /** Waits until so many more writes are acknowledged than now. @throws Error as `untilReadings`. */
  async untilMoreWrites(writes: number, timeoutMs: number): Promise<void> {
    await this.#until('writes', this.#totals.writes + writes, timeoutMs);
  }

  /** Ends it, waits for the last answers, and gives what it found. */
  async stop(): Promise<StalenessTotals> {
    if (this.#child.connected) this.#child.send('stop');
    await this.#ended;
    if (this.#child.exitCode !== 0) throw new Error(`The client ended with ${this.#child.exitCode}.`);
    return this.#totals;
  }

  /** Ends the process, whatever it does. */
  async remove(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #until(what: 'readings' | 'writes', count: number, timeoutMs: number): Promise<void> {
    await poll(() => (this.#totals[what] >= count || this.#hasEnded() ? true : undefined), timeoutMs);
    if (this.#totals[what] >= count) return;
    throw new Error(
      `INVALID: fewer than ${count} ${what} within ${timeoutMs} ms: ${JSON.stringify(this.#totals)}`,
    );
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
