import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../src/project-root.js';
import { SERVICE_NODE_ARGUMENTS } from '../src/service-command.js';

export type MemoryServerKind = 'rest' | 'rest route' | 'grpc' | 'empty rest' | 'empty grpc';

/** A server of memory-server.ts in a process of its own; this process is the load. */
export class MemoryServer {
  readonly #child: ChildProcess;
  readonly #port: Promise<number>;

  constructor(kind: MemoryServerKind) {
    this.#child = fork(join(projectRoot(), 'dist/bench/memory-server.js'), [kind], {
      execArgv: [...SERVICE_NODE_ARGUMENTS],
    });
    this.#port = once(this.#child, 'message').then(([{ port }]) => port as number);
  }

  port(): Promise<number> {
    return this.#port;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
