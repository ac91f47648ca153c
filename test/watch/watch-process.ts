import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../../src/project-root.js';
import type { WatchPlan, WatchReport } from './watch-client.js';

/** Watchers that run in a process of their own. */
export class WatchProcess {
  readonly #child: ChildProcess;

  constructor(plan: WatchPlan) {
    this.#child = fork(join(projectRoot(), 'dist/test/watch/watch-client.js'), [JSON.stringify(plan)]);
  }

  /** What each watcher has seen until now, in the plan's order. */
  async reports(): Promise<WatchReport[]> {
    this.#child.send('report');
    const [reports] = await once(this.#child, 'message');
    return reports as WatchReport[];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
