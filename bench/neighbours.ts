import { type ChildProcess, spawn } from 'node:child_process';

/** Computes for nobody, until the process that started it is gone. */
const PROGRAM = `
  const parent = process.ppid;
  while (process.ppid === parent) for (let step = 0; step < 1e7; step++);
`;

/** Processes that take their shares of the processor on which they are put, and leave the rest one share. */
export class Neighbours {
  readonly #processes: readonly ChildProcess[];

  constructor(count: number) {
    const start = () => spawn(process.execPath, ['-e', PROGRAM], { stdio: 'ignore' });
    this.#processes = Array.from({ length: count }, start);
  }

  get pids(): number[] {
    return this.#processes.map(({ pid }) => pid as number);
  }

  stop(): void {
    for (const one of this.#processes) one.kill('SIGKILL');
  }
}
