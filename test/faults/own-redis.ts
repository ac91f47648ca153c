import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisServer, startRedis } from '../../src/dev/redis-server.js';

/** A Redis of the test's own, to be stopped and started again on the same port. */
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

  /** Stops it and starts it again: whatever it held is gone. */
  async restart(): Promise<void> {
    const { program, folder: dataDir } = this;
    await this.#server?.stop();
    this.#server = await startRedis({ program, dataDir, port: Number(new URL(this.url).port) });
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#server !== undefined) process.kill(this.#server.pid, signal);
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
