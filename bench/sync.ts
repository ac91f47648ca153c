import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withConnection } from '../src/dev/postgres-session.js';
import { projectRoot } from '../src/project-root.js';
import { type ServiceProcess, startService } from '../test/service-process.js';
import { ONHAND_DATABASE, type ServerSettings } from './databases.js';
import type { Database } from './environment.js';
import type { Pgbench } from './pgbench.js';
import { cpuSecondsOf } from './process-clocks.js';
import { forgetPeakMemory, peakMemoryMb } from './process-memory.js';
import { median } from './statistics.js';
import { STORES } from './stocks.js';
import type { SyncLoad, SyncSample } from './sync-stores.js';

export interface SyncOptions {
  /** Runs of each case and of pgbench before it, in turn. */
  readonly rounds: number;
  /** Of each run of pgbench. */
  readonly seconds: number;
}

/** How fast stores that come back get rid of what they did meanwhile. */
export interface SyncResult {
  readonly server: ServerSettings;
  readonly goals: { readonly ratio: number; readonly peakMb: number };
  readonly cases: readonly SyncCase[];
}

/** One kind of load, beside the naive transaction on all stocks. Rates are operations per second, one per round. */
export interface SyncCase {
  readonly stores: number;
  readonly messageSize: number;
  /** Of all stores together. */
  readonly operations: number;
  readonly pgbench: { readonly clients: number; readonly rates: number[]; readonly median: number } | null;
  readonly onhand: {
    readonly rates: number[];
    readonly median: number;
    /** Processor time of the service for one operation, in microseconds. */
    readonly serviceUs: number;
    /** The same of the database's backends that write. */
    readonly serverUs: number;
    /** The most memory that the service had resident in any run; NaN where the system does not tell. */
    readonly peakMb: number;
  };
  readonly ratio: number | null;
}

interface SyncRun {
  readonly operationsPerSecond: number;
  readonly serviceUs: number;
  readonly serverUs: number;
  readonly peakMb: number;
}

type Load = (typeof CASES)[number];

const GOALS = { ratio: 5, peakMb: 300 };

const CASES = [
  { stores: 1, operations: 100_000, messageSize: 1_000 },
  { stores: 1, operations: 100_000, messageSize: 500 },
  { stores: 20, operations: 10_000, messageSize: 500 },
] as const;

/** Measures stores that send their pending logs to a service, and pgbench, in turn, on a server of their own. */
export class SyncBench {
  #nextStore: number = STORES.first;
  #acknowledged = 0;

  /** @param pgbench undefined: there is nothing to compare with. */
  constructor(
    private readonly database: Database,
    private readonly pgbench: Pgbench | undefined,
    private readonly options: SyncOptions,
    private readonly progress: (line: string) => void,
  ) {}

  /** @throws Error where a stream fails, or an operation is missing in the log. */
  async run(): Promise<SyncResult> {
    const databaseUrl = this.database.server.url(ONHAND_DATABASE);
    const clients = (await this.pgbench?.bestClients('all stocks', this.progress)) ?? 0;
    const service = await startService({ databaseUrl });
    const runs = CASES.map(() => ({ naive: [] as number[], syncs: [] as SyncRun[] }));
    try {
      for (let round = 0; round < this.options.rounds; round++) {
        for (const [index, load] of CASES.entries()) {
          const { naive, syncs } = runs[index]!;
          const beside = await this.pgbench?.run('all stocks', clients, this.options.seconds);
          if (beside !== undefined) naive.push(beside.perSecond);
          syncs.push(await this.#measure(load, service, beside?.perSecond));
        }
      }
      await this.#check(databaseUrl);
    } finally {
      await service.stop();
    }
    const cases = CASES.map((load, index) => summary(load, clients, runs[index]!));
    return { server: this.database.settings, goals: GOALS, cases };
  }

  async #measure(load: Load, service: ServiceProcess, beside: number | undefined): Promise<SyncRun> {
    const { pid, grpcAddress } = service;
    const databaseUrl = this.database.server.url(ONHAND_DATABASE);
    const cpuBefore = cpuSecondsOf(pid);
    const serverBefore = await writersCpuSeconds(databaseUrl);
    forgetPeakMemory(pid);
    const { acknowledged, seconds } = await drain({ ...load, grpcAddress, firstStore: this.#nextStore });
    this.#nextStore += load.stores;
    this.#acknowledged += acknowledged;
    const peakMb = peakMemoryMb(pid);
    const operationsPerSecond = acknowledged / seconds;
    const serviceUs = ((cpuSecondsOf(pid) - cpuBefore) / acknowledged) * 1e6;
    const serverUs = (((await writersCpuSeconds(databaseUrl)) - serverBefore) / acknowledged) * 1e6;
    const naive = beside === undefined ? '' : `pgbench ${Math.round(beside)} /s, `;
    this.progress(
      `${load.stores} stores, messages of ${load.messageSize}: ${naive}Onhand ${Math.round(operationsPerSecond)} /s, ` +
        `${Math.round(peakMb)} MB`,
    );
    return { operationsPerSecond, serviceUs, serverUs, peakMb };
  }

  async #check(databaseUrl: string): Promise<void> {
    const { rows } = await withConnection(databaseUrl, (client) =>
      client.query("SELECT count(*)::int AS events FROM event_log WHERE origin = 'SYNC'"),
    );
    if (rows[0].events !== this.#acknowledged)
      throw new Error(`${this.#acknowledged} operations were acknowledged, ${rows[0].events} are there`);
  }
}

/** Lets the stores of a process of their own send all that they have. */
async function drain(load: SyncLoad): Promise<SyncSample> {
  const child = fork(join(projectRoot(), 'dist/bench/sync-stores.js'), [JSON.stringify(load)]);
  const ended = once(child, 'exit').then(() => {
    throw new Error('the stores ended without a result');
  });
  ended.catch(() => undefined);
  const [sample] = (await Promise.race([once(child, 'message'), ended])) as [SyncSample];
  return sample;
}

function summary(
  { stores, operations, messageSize }: Load,
  clients: number,
  { naive, syncs }: { readonly naive: number[]; readonly syncs: readonly SyncRun[] },
): SyncCase {
  const rates = syncs.map(({ operationsPerSecond }) => operationsPerSecond);
  const pgbench = naive.length === 0 ? null : { clients, rates: naive, median: median(naive) };
  const onhand = {
    ...{ rates, median: median(rates) },
    serviceUs: median(syncs.map(({ serviceUs }) => serviceUs)),
    serverUs: median(syncs.map(({ serverUs }) => serverUs)),
    peakMb: Math.max(...syncs.map(({ peakMb }) => peakMb)),
  };
  const ratio = pgbench === null ? null : onhand.median / pgbench.median;
  return { stores, messageSize, operations: stores * operations, pgbench, onhand, ratio };
}

async function writersCpuSeconds(databaseUrl: string): Promise<number> {
  const { rows } = await withConnection(databaseUrl, (client) =>
    client.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'onhand %writes'",
    ),
  );
  return rows.reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
}
