import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../../src/project-root.js';
import type { StorePlan, StoreReport, StoreStocks } from './store-client.js';

const PROGRAM = join(projectRoot(), 'dist', 'bench', 'stores', 'store-client.js');

/** A simulated store that runs in a process of its own, and comes back with its file after it was killed. */
export class StoreProcess {
  #child: ChildProcess;
  /** The newest report of the process that runs now. */
  report: StoreReport | undefined;
  kills = 0;
  /** Of processes that were killed, and of this one. */
  #interruptionsBefore = 0;

  constructor(readonly plan: StorePlan) {
    this.#child = this.#start();
  }

  get interruptions(): number {
    return this.#interruptionsBefore + (this.report?.interruptions ?? 0);
  }

  /** Has done all that it will, and all of it is durable in the service. */
  get isDone(): boolean {
    const { operations, planned, pending } = this.report ?? { operations: 0, planned: 1, pending: 1 };
    return operations >= planned && pending === 0;
  }

  /** Operations that are acknowledged, as far as the store knows. */
  get durable(): number {
    const { operations, pending } = this.report ?? { operations: 0, pending: 0 };
    return operations - pending;
  }

  /** The store's own stocks, by product. */
  async stocks(): Promise<Readonly<Record<string, number>>> {
    for (;;) {
      const answer = once(this.#child, 'message');
      this.#child.send('stocks?');
      const [message] = (await answer) as [StoreReport | StoreStocks];
      if (message.kind === 'stocks') return message.stocks;
    }
  }

  /** In the middle of whatever it does; then starts it again on its file. */
  async kill9(): Promise<void> {
    this.kills++;
    await this.#end();
    this.#interruptionsBefore = this.interruptions;
    this.report = undefined;
    this.#child = this.#start();
  }

  async stop(): Promise<void> {
    await this.#end();
  }

  #start(): ChildProcess {
    const child = fork(PROGRAM, [JSON.stringify(this.plan)], { execArgv: [] });
    child.on('message', (message: StoreReport | StoreStocks) => {
      if (message.kind === 'report') this.report = message;
    });
    return child;
  }

  async #end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    // With its channel: a message on the way to it would keep this process from ending.
    const ended = Promise.all([once(this.#child, 'exit'), once(this.#child, 'disconnect')]);
    this.#child.kill('SIGKILL');
    await ended;
  }
}
