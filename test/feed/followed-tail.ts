import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../src/project-root.js';
import { until } from '../until.js';
import type { DeliveredChange, Line } from './tail-process.js';

const PATIENCE_MS = 30_000;

/** A feed in a process of its own, and everything that it has delivered. */
export class FollowedTail {
  readonly delivered: DeliveredChange[] = [];
  #began = 0;
  #failures: string[] = [];

  private constructor(private readonly child: ChildProcess) {}

  /** @param imports modules to load before it, for mutants. */
  static async start(databaseUrl: string, imports: readonly string[] = []): Promise<FollowedTail> {
    const program = join(projectRoot(), 'dist/test/feed/tail-process.js');
    const options = imports.flatMap((module) => ['--import', module]);
    const child = spawn(process.execPath, ['--enable-source-maps', ...options, program, databaseUrl], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const tail = new FollowedTail(child);
    createInterface({ input: child.stdout }).on('line', (line) => tail.#read(JSON.parse(line)));
    await until(async () => tail.#began > 0, 'The feed did not begin', PATIENCE_MS);
    return tail;
  }

  /** Waits until this event has been delivered. */
  async untilDelivered(eventId: string): Promise<void> {
    const delivered = async () => this.delivered.some((change) => change.eventId === eventId);
    await until(delivered, `${eventId} was not delivered. ${this.#failures.join(' ')}`, PATIENCE_MS);
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.stdin?.end();
    await ended;
  }

  #read(line: Line): void {
    if ('began' in line) this.#began++;
    else if ('failed' in line) this.#failures.push(line.failed);
    else this.delivered.push(...line.changes);
  }
}
