import { startPrimary } from '../../src/dev/postgres-server.js';
import type { PostgresServer } from '../../src/dev/postmaster.js';
import { startThrowawayServers, type ThrowawayServers } from '../../src/dev/throwaway-servers.js';
import { migrate } from '../../src/postgres/migrate.js';

type Settings = Readonly<Record<string, string>>;

/** A primary and a replica of the test's own, to be killed and started again, with a migrated database. */
export class OwnServers {
  #primary: PostgresServer;

  private constructor(
    private readonly servers: ThrowawayServers,
    private readonly settings: Settings,
  ) {
    this.#primary = servers.primary;
  }

  static async start(settings: Settings = {}): Promise<OwnServers> {
    const own = new OwnServers(await startThrowawayServers({ settings }), settings);
    await migrate(own.databaseUrl);
    return own;
  }

  get primary(): PostgresServer {
    return this.#primary;
  }

  get replica(): PostgresServer {
    return this.servers.replica;
  }

  get databaseUrl(): string {
    return this.#primary.url();
  }

  get replicaUrl(): string {
    return this.servers.replica.url();
  }

  /** Starts the primary again where it was; resolves when it accepts connections. */
  async restartPrimary(): Promise<void> {
    const { dataDir, port } = this.#primary;
    this.#primary = await startPrimary({ dataDir, port, settings: this.settings });
  }

  async stop(): Promise<void> {
    await this.#primary.stop();
    await this.servers.stop();
  }
}
