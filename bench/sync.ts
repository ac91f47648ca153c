import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withConnection } from '../src/dev/postgres-session.js';
import { projectRoot } from '../src/project-root.js';
import { startService } from '../test/service-process.js';
import { ONHAND_DATABASE, type ServerSettings } from './databases.js';
import type { Database } from './environment.js';
import { cpuSecondsOf } from './process-clocks.js';
import { STORES } from './stocks.js';
import type { SyncLoad, SyncSample } from './sync-stores.js';

export interface SyncOptions {
  /** Runs of each case, in turn. */
  readonly rounds: number;
}

/** How fast stores that come back get rid of what they did meanwhile. */
export interface SyncResult {
  readonly server: ServerSettings;
  readonly runs: readonly SyncRun[];
}

export interface SyncRun extends SyncSample {
  readonly stores: number;
  readonly messageSize: number;
  readonly operationsPerSecond: number;
  /** Processor time of the service for one operation, in microseconds. */
  readonly serviceUs: number;
  /** The same of the database's backends that write. */
  readonly serverUs: number;
}

const CASES = [
  { stores: 1, operations: 100_000, messageSize: 1_000 },
  { stores: 1, operations: 100_000, messageSize: 500 },
  { stores: 20, operations: 10_000, messageSize: 500 },
] as const;

/** Measures stores that send their pending logs to a service, on a server of its own. */
export class SyncBench {
  #nextStore: number = STORES.first;

  constructor(
    private readonly database: Database,
    private readonly options: SyncOptions,
    private readonly progress: (line: string) => void,
  ) {}

  /** @throws Error where a stream fails, or an operation is missing in the log. */
  async run(): Promise<SyncResult> {
    const databaseUrl = this.database.server.url(ONHAND_DATABASE);
    const service = await startService({ databaseUrl });
    const runs: SyncRun[] = [];
    try {
      for (let round = 0; round < this.options.rounds; round++) {
        for (const each of CASES) {
          const { grpcAddress } = service;
          const load = { ...each, grpcAddress, firstStore: this.#nextStore };
          this.#nextStore += each.stores;
          runs.push(await this.#measure(load, service.pid, databaseUrl));
        }
      }
      await this.#check(databaseUrl, runs);
    } finally {
      await service.stop();
    }
    return { server: this.database.settings, runs };
  }

  async #measure(load: SyncLoad, servicePid: number, databaseUrl: string): Promise<SyncRun> {
    const cpuBefore = cpuSecondsOf(servicePid);
    const serverBefore = await writersCpuSeconds(databaseUrl);
    const child = fork(join(projectRoot(), 'dist/bench/sync-stores.js'), [JSON.stringify(load)]);
    const ended = once(child, 'exit').then(() => {
      throw new Error('the stores ended without a result');
    });
    const [sample] = (await Promise.race([once(child, 'message'), ended])) as [SyncSample];
    ended.catch(() => undefined);
    const operationsPerSecond = sample.acknowledged / sample.seconds;
    const serviceUs = ((cpuSecondsOf(servicePid) - cpuBefore) / sample.acknowledged) * 1e6;
    const serverSeconds = (await writersCpuSeconds(databaseUrl)) - serverBefore;
    const serverUs = (serverSeconds / sample.acknowledged) * 1e6;
    const { stores, messageSize } = load;
    this.progress(
      `${stores} stores, messages of ${messageSize}: ${Math.round(operationsPerSecond)} operations /s`,
    );
    return { ...sample, stores, messageSize, operationsPerSecond, serviceUs, serverUs };
  }

  async #check(databaseUrl: string, runs: readonly SyncRun[]): Promise<void> {
    const sent = runs.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
    const { rows } = await withConnection(databaseUrl, (client) =>
      client.query("SELECT count(*)::int AS events FROM event_log WHERE origin = 'SYNC'"),
    );
    if (rows[0].events !== sent)
      throw new Error(`${sent} operations were acknowledged, ${rows[0].events} are there`);
  }
}

async function writersCpuSeconds(databaseUrl: string): Promise<number> {
  const { rows } = await withConnection(databaseUrl, (client) =>
    client.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'onhand %writes'",
    ),
  );
  return rows.reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
}
