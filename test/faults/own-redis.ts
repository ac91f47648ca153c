import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../src/dev/redis-server.js';

/** A Redis of the test's own, to be stopped, broken, and started again on the same port. */
export class OwnRedis {
  #server: RedisServer | undefined;

  private constructor(
    private readonly program: string,
    private readonly folder: string,
    server: RedisServer,
  ) {
    this.#server = server;
    this.url = server.url;
  }

  readonly url: string;

  static async start(program: string): Promise<OwnRedis> {
    const folder = mkdtempSync(join(tmpdir(), 'onhand-redis-'));
    return new OwnRedis(program, folder, await startRedis({ program, dataDir: folder, port: 0 }));
  }

  /** Stops it and starts it again: whatever it held is gone, but for what was saved. */
  async restart(): Promise<void> {
    await this.#server?.stop();
    await this.startAgain();
  }

  /** Starts it where it was. It holds what was last saved to the disk; nothing where that never happened. */
  async startAgain(): Promise<void> {
    const { program, folder: dataDir } = this;
    this.#server = await startRedis({ program, dataDir, port: Number(new URL(this.url).port) });
  }

  /** Ends it at once. */
  async kill9(): Promise<void> {
    this.signal('SIGKILL');
    await this.#server?.exited;
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#server !== undefined) process.kill(this.#server.pid, signal);
  }

  /** How long ago it was last saved to the disk; infinite where that never happened. */
  get dumpAgeMs(): number {
    const savedMs = statSync(join(this.folder, 'dump.rdb'), { throwIfNoEntry: false })?.mtimeMs;
    return Date.now() - (savedMs ?? Number.NEGATIVE_INFINITY);
  }

  /** Runs one command. */
  async run(command: string, ...values: readonly string[]): Promise<unknown> {
    const client = new Redis(this.url, { maxRetriesPerRequest: 1 });
    try {
      return await client.call(command, ...values);
    } finally {
      client.disconnect();
    }
  }

  /** A number from INFO; 0 where it does not stand there. */
  async figure(name: string): Promise<number> {
    const info = String(await this.run('INFO', 'everything'));
    return Number(new RegExp(`^${name}:(?:count=)?(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
