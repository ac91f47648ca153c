import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgresBinaries } from '../src/dev/postgres-binaries.js';
import { startPrimary } from '../src/dev/postgres-server.js';
import type { PostgresServer } from '../src/dev/postmaster.js';
import { ProcessRegistry } from '../src/dev/process-registry.js';
import { reachableFolder } from '../src/dev/server-account.js';
import { type ServiceProcess, startService } from '../test/service-process.js';
import { createDatabases, durableSettings, ONHAND_DATABASE, type ServerSettings } from './databases.js';
import { LoadProcess } from './load-process.js';
import { Pgbench } from './pgbench.js';

/** The name under which `npm test` looks for what a killed run left behind, and removes it. */
const FOLDER_PREFIX = 'onhand-servers-';

/** A real server with 100,000 stocks. */
export interface Database {
  /** Everything that belongs to it is in there, and goes when it is stopped. */
  readonly folder: string;
  readonly server: PostgresServer;
  readonly settings: ServerSettings;
}

/** Everything that a benchmark runs against: real servers and a real service, each a process of its own. */
export interface Environment extends Omit<Database, 'folder'> {
  readonly service: ServiceProcess;
  readonly load: LoadProcess;
  /** undefined where it is not installed. */
  readonly pgbench: Pgbench | undefined;
}

/** Starts and stops the parts of an environment; what is started is stopped even where a later part fails. */
export class EnvironmentStarter {
  readonly #stops: (() => unknown)[] = [];
  #stopping: Promise<void> | undefined;

  /** @throws Error where the server would not be durable, or a part does not start. */
  async start(): Promise<Environment> {
    const database = await this.startDatabase();
    const { server, settings } = database;
    const service = await startService({
      databaseUrl: server.url(ONHAND_DATABASE),
      environment: { ONHAND_PG_POOL_MAX: '20', ONHAND_PG_POOL_MIN: '5' },
    });
    this.#stops.push(() => service.stop());
    const load = new LoadProcess();
    this.#stops.push(() => load.stop());
    return { server, settings, service, load, pgbench: this.pgbench(database) };
  }

  /** For the naive side of a database; undefined where it is not installed. */
  pgbench({ server, folder }: Database): Pgbench | undefined {
    if (Pgbench.installed() === undefined) return undefined;
    return this.keep(new Pgbench(server, folder), (one) => one.stop());
  }

  /** Stops it with the rest. */
  keep<T>(part: T, stop: (part: T) => unknown): T {
    this.#stops.push(() => stop(part));
    return part;
  }

  /** The server with its stocks, and nothing else. @throws Error where it would not be durable. */
  async startDatabase(): Promise<Database> {
    const folder = this.#folder();
    const server = await this.#server(folder);
    await createDatabases(server);
    return { folder, server, settings: await durableSettings(server) };
  }

  /** Stops everything, the last one first, and removes the folder. May be called more than once. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
  }

  #folder(): string {
    const parent = reachableFolder(findPostgresBinaries().account, tmpdir());
    const folder = mkdtempSync(join(parent, FOLDER_PREFIX));
    chmodSync(folder, 0o755);
    this.#stops.push(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  async #server(folder: string): Promise<PostgresServer> {
    const registry = new ProcessRegistry(join(folder, 'run'));
    registry.claim('owner', 'bench');
    const server = await startPrimary({
      dataDir: join(folder, 'primary'),
      port: 0,
      onSpawn: (pid) => registry.record('primary', pid, 'primary'),
    });
    this.#stops.push(() => server.stop());
    return server;
  }
}
