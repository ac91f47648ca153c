import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../src/project-root.js';
import type { LoadPlan, LoadResult } from './load-plan.js';

type Answer<Result> = { readonly result: Result } | { readonly problem: string };

/** The process that a program like load.ts runs in: it takes plans, one after the other, and sends what came of each. */
export class LoadProcess<Plan extends object = LoadPlan, Result = LoadResult> {
  readonly #child: ChildProcess;

  constructor(program = 'load') {
    this.#child = fork(join(projectRoot(), 'dist', 'bench', `${program}.js`));
  }

  /**
   * Carries out one plan.
   *
   * @throws Error where the service broke a connection or the process ended.
   */
  async run(plan: Plan): Promise<Result> {
    const stopListening = new AbortController();
    const { signal } = stopListening;
    const answer = once(this.#child, 'message', { signal }).then(([message]) => message as Answer<Result>);
    const ended = once(this.#child, 'exit', { signal }).then(() => ({ problem: 'it ended' }));
    for (const one of [answer, ended]) one.catch(() => undefined);
    try {
      this.#child.send(plan);
      const outcome = await Promise.race([answer, ended]);
      if ('problem' in outcome) throw new Error(`The load process has no result: ${outcome.problem}`);
      return outcome.result;
    } finally {
      stopListening.abort();
    }
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
