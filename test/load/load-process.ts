import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from '../../src/dev/poll.js';
import { projectRoot } from '../../src/project-root.js';
import { type RecordedCall, readJournal } from './journal.js';

import type { LoadPlan } from './load-plan.js';
import { noTotals, type Totals } from './totals.js';

/** A load client that runs. */
export class LoadProcess {
  readonly #folder = mkdtempSync(join(tmpdir(), 'onhand-load-'));
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #totals = noTotals();

  constructor(plan: LoadPlan) {
    this.#child = fork(join(projectRoot(), 'dist/test/load/load-client.js'), [
      JSON.stringify(plan),
      this.#journal,
    ]);
    this.#child.on('message', (totals) => {
      this.#totals = totals as Totals;
    });
    this.#ended = once(this.#child, 'exit');
  }

  get #journal(): string {
    return join(this.#folder, 'journal');
  }

  /** What the client last told, at most a tenth of a second ago. */
  get totals(): Totals {
    return this.#totals;
  }

  /**
   * Waits until the totals are so.
   *
   * @throws Error with the totals where that has not come about in time.
   */
  async until(condition: (totals: Totals) => boolean, timeoutMs: number): Promise<void> {
    const met = await poll(() => (condition(this.#totals) ? true : this.#hasEnded() || undefined), timeoutMs);
    if (met !== true || !condition(this.#totals))
      throw new Error(`The load did not come so far: ${JSON.stringify(this.#totals)}`);
  }

  /** Waits until so many more commands have been accepted than now. */
  async untilAcceptedMore(commands: number, timeoutMs: number): Promise<void> {
    const wanted = this.#totals.accepted + commands;
    await this.until(({ accepted }) => accepted >= wanted, timeoutMs);
  }

  /** Ends the load, waits for the last answers, and gives the whole journal. */
  async stop(): Promise<RecordedCall[]> {
    if (this.#child.connected) this.#child.send('stop');
    return await this.end();
  }

  /** Waits until the load ends by itself, and gives the whole journal. */
  async end(): Promise<RecordedCall[]> {
    await this.#ended;
    if (this.#child.exitCode !== 0) throw new Error(`The load client ended with ${this.#child.exitCode}.`);
    return readJournal(this.#journal);
  }

  /** Ends the process, whatever it does, and removes its journal. */
  async remove(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
