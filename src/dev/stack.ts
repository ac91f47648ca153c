import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { reachableHost, withoutPassword } from './banner.js';
import type { Holds } from './holds.js';
import { findOrInstall, REDIS } from './optional-programs.js';
import { findPostgresBinaries } from './postgres-binaries.js';
import { startReplica } from './postgres-replica.js';
import { startPrimary } from './postgres-server.js';
import { endLeftover, type PostgresServer } from './postmaster.js';
import type { ProcessRegistry } from './process-registry.js';
import { startRedis } from './redis-server.js';
import { makePassableFolder, reachableFolder } from './server-account.js';
import { rotateLog } from './server-process.js';
import { startServiceChild } from './service-child.js';
import { type HoldableProcess, stackProcesses } from './stack-processes.js';
import type { StartOptions } from './start-options.js';
import type { Component, Hold, Running, Supervisor } from './supervisor.js';
import { say } from './terminal.js';

/** Where the service finds its databases. */
export interface Databases {
  readonly databaseUrl: string;
  readonly replicaUrls: string | undefined;
  readonly redisUrl: string | undefined;
}

/** Builds the parts of the stack; the supervisor runs them. */
export class Stack {
  private readonly postgresFolder: string;
  private readonly redisProgram: string | undefined;

  constructor(
    private readonly options: StartOptions,
    private readonly registry: ProcessRegistry,
    private readonly supervisor: Supervisor,
    private readonly holds: Holds,
  ) {
    this.postgresFolder = options.external ? '' : placePostgres(options.dataDir);
    this.redisProgram = options.external ? undefined : findOrInstall(REDIS);
    if (!options.external && this.redisProgram === undefined) {
      say('There is no redis-server or valkey-server on PATH: Onhand runs without Redis.');
    }
  }

  /** The ports that will be listened on, and the variable that changes each. */
  ports(): { port: number; host: string; what: string; variable: string }[] {
    const { host, external } = this.options;
    const loopback = '127.0.0.1';
    const service = [
      { port: this.options.grpcPort, host, what: 'gRPC', variable: 'ONHAND_GRPC_PORT' },
      { port: this.options.httpPort, host, what: 'HTTP', variable: 'ONHAND_HTTP_PORT' },
      { port: this.options.metricsPort, host, what: 'metrics', variable: 'ONHAND_METRICS_PORT' },
    ];
    if (external) return service;
    const redis = {
      port: this.options.redisPort,
      host: loopback,
      what: 'Redis',
      variable: 'ONHAND_DEV_REDIS_PORT',
    };
    const postgres = { host: loopback, variable: 'ONHAND_DEV_PG_PORT' };
    return [
      { ...postgres, port: this.options.primaryPort, what: 'the PostgreSQL primary' },
      { ...postgres, port: this.options.replicaPort, what: 'the PostgreSQL replica, one above the primary' },
      ...(this.redisProgram === undefined ? [] : [redis]),
      ...service,
    ];
  }

  /** Ends a PostgreSQL of our folders that is not registered: a kill can come between its start and our note of it. */
  async endUnregistered(): Promise<void> {
    if (this.options.external) return;
    for (const name of ['replica', 'primary']) await endLeftover(join(this.postgresFolder, name));
  }

  /** Removes the embedded databases. */
  startOver(): void {
    for (const folder of [this.postgresFolder, join(this.options.dataDir, 'redis')]) {
      rmSync(folder, { recursive: true, force: true });
    }
    makePassableFolder(this.postgresFolder);
    say('The embedded database was removed: starting over.');
  }

  /** Starts primary, Redis and replica, so that they stop in the order replica, Redis, primary. */
  async startDatabases(): Promise<Databases> {
    if (this.options.external) return this.options.external;
    const primary = await this.supervisor.start({
      name: 'The PostgreSQL primary',
      start: () => this.startPrimary(),
    });
    const program = this.redisProgram;
    const redis = program === undefined ? undefined : await this.supervisor.start(this.redis(program));
    const replica = await this.supervisor.start({
      name: 'The PostgreSQL replica',
      hold: this.holdOf('postgres-replica'),
      start: () => this.startReplica(primary),
    });
    return { databaseUrl: primary.url(), replicaUrls: replica.url(), redisUrl: redis?.url };
  }

  private startPrimary(): Promise<PostgresServer> {
    return startPrimary({
      dataDir: join(this.postgresFolder, 'primary'),
      port: this.options.primaryPort,
      logFile: this.log('postgres-primary'),
      onSpawn: (pid) => this.registry.record('postgres-primary', pid, 'postgres'),
    });
  }

  private startReplica(primary: PostgresServer): Promise<PostgresServer> {
    return startReplica({
      primary,
      dataDir: join(this.postgresFolder, 'replica'),
      port: this.options.replicaPort,
      slotName: 'onhand_replica',
      logFile: this.log('postgres-replica'),
      onSpawn: (pid) => this.registry.record('postgres-replica', pid, 'postgres'),
    });
  }

  private redis(program: string) {
    return {
      name: 'Redis',
      hold: this.holdOf('redis'),
      start: () =>
        startRedis({
          program,
          dataDir: join(this.options.dataDir, 'redis'),
          port: this.options.redisPort,
          logFile: this.log('redis'),
          onSpawn: (pid) => this.registry.record('redis', pid, program),
        }),
    };
  }

  private holdOf(name: HoldableProcess): Hold {
    return { isHeld: () => this.holds.isHeld(name), started: () => this.holds.started(name) };
  }

  /** The service itself, on the databases. */
  service(databases: Databases): Component<Running> {
    const { host, httpPort } = this.options;
    return {
      name: 'The service',
      start: (signal) =>
        startServiceChild(
          {
            environment: this.serviceEnvironment(databases),
            readyUrl: `http://${reachableHost(host)}:${httpPort}/readyz`,
            logFile: this.log('service'),
            onSpawn: (pid) => this.registry.record('service', pid, process.execPath),
          },
          signal,
        ),
    };
  }

  private serviceEnvironment(databases: Databases): NodeJS.ProcessEnv {
    const { host, grpcPort, httpPort, metricsPort } = this.options;
    return {
      ...process.env,
      DATABASE_URL: databases.databaseUrl,
      DATABASE_REPLICA_URLS: databases.replicaUrls,
      REDIS_URL: databases.redisUrl,
      ONHAND_HOST: host,
      ONHAND_GRPC_PORT: String(grpcPort),
      ONHAND_HTTP_PORT: String(httpPort),
      ONHAND_METRICS_PORT: String(metricsPort),
    };
  }

  /** The logs of the run before are kept beside the new ones, as `.1`. */
  rotateLogs(): void {
    for (const { name } of stackProcesses) rotateLog(this.log(name));
  }

  private log(name: string): string {
    return join(this.options.dataDir, `${name}.log`);
  }

  /** What the banner says about them. */
  facts(databases: Databases): { database: string; replicas: string; redis: string } {
    const shown = (url: string | undefined, none: string) =>
      url === undefined ? none : withoutPassword(url);
    const password =
      this.postgresFolder === '' ? '' : `  (password in ${join(this.postgresFolder, 'primary.password')})`;
    return {
      database: `${withoutPassword(databases.databaseUrl)}${password}`,
      replicas: databases.replicaUrls?.split(',').map(withoutPassword).join(', ') ?? 'none',
      redis: shown(databases.redisUrl, 'none'),
    };
  }
}

/** PostgreSQL's folder inside the data folder, or outside where its account cannot reach that. */
function placePostgres(dataDir: string): string {
  const { account } = findPostgresBinaries();
  const preferred = join(dataDir, 'postgres');
  const folder = reachableFolder(account, preferred);
  if (folder !== preferred) {
    say(`The user ${account?.name} cannot reach ${dirname(preferred)}: the databases are in ${folder}.`);
  }
  return folder;
}
