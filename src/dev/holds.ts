import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { poll } from './poll.js';

/**
 * What `onhand dev stop` asks of `npm start`: to let a part of the stack stay down. A file says so, in the folder of the
 * pid files: `redis.stopped` while Redis is to stay down, `redis.starting` from when it may run again until it does.
 */
export class Holds {
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
  }

  isHeld(name: string): boolean {
    return existsSync(this.#file(name, 'stopped'));
  }

  /** From now on the part is not started again. */
  hold(name: string): void {
    rmSync(this.#file(name, 'starting'), { force: true });
    writeFileSync(this.#file(name, 'stopped'), '');
  }

  /** Lets the part be started. @returns false where it was not held. */
  release(name: string): boolean {
    try {
      renameSync(this.#file(name, 'stopped'), this.#file(name, 'starting'));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** Says that the part runs again. */
  started(name: string): void {
    rmSync(this.#file(name, 'starting'), { force: true });
  }

  /** Waits until it runs. @returns whether it does within this time, in milliseconds */
  async runsWithin(name: string, timeoutMs: number): Promise<boolean> {
    const runs = () => (existsSync(this.#file(name, 'starting')) ? undefined : true);
    return (await poll(runs, timeoutMs)) === true;
  }

  /** A new start begins with everything. */
  clear(): void {
    for (const file of readdirSync(this.folder)) {
      if (/\.(stopped|starting)$/.test(file)) rmSync(join(this.folder, file), { force: true });
    }
  }

  #file(name: string, state: 'stopped' | 'starting'): string {
    return join(this.folder, `${name}.${state}`);
  }
}
