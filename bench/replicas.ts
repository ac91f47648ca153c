import { withConnection } from '../src/dev/postgres-session.js';
import { ReplicatedServers } from '../test/faults/replicated-servers.js';
import { type ServiceProcess, startService } from '../test/service-process.js';
import { createDatabases, ONHAND_DATABASE } from './databases.js';
import type { LoadPlan, LoadResult } from './load-plan.js';
import { LoadProcess } from './load-process.js';
import { median, quantile } from './statistics.js';

export interface ReplicasOptions {
  /** Of each measured run. */
  readonly seconds: number;
  readonly rounds: number;
}

/** What reads come to while the primary is written and two replicas follow it. */
export interface ReplicasResult {
  readonly reads: readonly {
    readonly name: string;
    readonly perSecond: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  }[];
  /** Which share of the default reads each source answered. */
  readonly sources: Readonly<Record<string, number>>;
  /** From the commit on the primary until it is replayed, as the primary hears of it. */
  readonly lag: { readonly averageMs: number; readonly p99Ms: number; readonly samples: number };
  readonly sells: { readonly perSecond: number };
}

const SELLS_IN_FLIGHT = 32;
const READS_IN_FLIGHT = 16;
const SAMPLE_EVERY_MS = 50;
const LAG = `SELECT extract(epoch FROM replay_lag)::float8 * 1000 AS ms FROM pg_stat_replication
  WHERE replay_lag IS NOT NULL`;

/** @throws Error where a call failed. */
export async function benchReplicas(
  options: ReplicasOptions,
  progress: (line: string) => void,
): Promise<ReplicasResult> {
  progress('starting a primary with 100,000 stocks, two replicas and the service');
  const servers = await ReplicatedServers.start('ASYNCHRONOUS');
  const loads = [new LoadProcess(), new LoadProcess()] as const;
  let service: ServiceProcess | undefined;
  try {
    await createDatabases(servers.server('a'));
    const urls = (['a', 'b', 'c'] as const).map((name) => servers.server(name).url(ONHAND_DATABASE));
    const [databaseUrl = '', ...replicaUrls] = urls;
    service = await startService({
      ...{ databaseUrl, replicaUrls },
      // It is the databases that are measured.
      environment: {
        ...{ ONHAND_PG_POOL_MAX: '20', ONHAND_PG_POOL_MIN: '5' },
        ONHAND_LOCAL_CACHE_ENTRIES: '0',
      },
    });
    return await measure({ service, primaryUrl: databaseUrl, loads, options, progress });
  } finally {
    for (const load of loads) load.stop();
    await service?.stop();
    await servers.stop();
  }
}

interface Setting {
  readonly service: ServiceProcess;
  readonly primaryUrl: string;
  readonly loads: readonly [LoadProcess, LoadProcess];
  readonly options: ReplicasOptions;
  readonly progress: (line: string) => void;
}

async function measure({ service, primaryUrl, loads, options, progress }: Setting): Promise<ReplicasResult> {
  const [sellLoad, readLoad] = loads;
  const { seconds, rounds } = options;
  const plan = (rpc: LoadPlan['rpc'], inFlight: number): LoadPlan => ({
    ...{ client: 'wire', rpc, spread: 'all stocks', address: service.grpcAddress },
    ...{ connections: 2, inFlight, seconds },
  });
  const kinds = { 'by default': 'get', STRONG: 'strong get' } as const;
  const reads = new Map<string, LoadResult[]>(Object.keys(kinds).map((name) => [name, []]));
  const sells: LoadResult[] = [];
  const lagsMs: number[] = [];
  const sources: Record<string, number> = {};
  for (let round = 1; round <= rounds; round++) {
    for (const [name, rpc] of Object.entries(kinds)) {
      const before = await answersBySource(service);
      const [sell, read, sampled] = await Promise.all([
        sellLoad.run(plan('sell', SELLS_IN_FLIGHT)),
        readLoad.run(plan(rpc, READS_IN_FLIGHT)),
        sampleLags(primaryUrl, seconds),
      ]);
      if (sell.errors + read.errors > 0) throw new Error(`${sell.errors + read.errors} calls failed`);
      const after = await answersBySource(service);
      sells.push(sell);
      reads.get(name)?.push(read);
      lagsMs.push(...sampled);
      if (rpc === 'get') add(sources, before, after);
      progress(`${name}, round ${round} of ${rounds}: ${Math.round(read.answers / read.seconds)} reads /s`);
    }
  }
  return {
    reads: [...reads].map(([name, results]) => ({ name, ...summary(results) })),
    sources: shares(sources),
    lag: lagOf(lagsMs),
    sells: { perSecond: summary(sells).perSecond },
  };
}

function summary(results: readonly LoadResult[]): { perSecond: number; p50Ms: number; p99Ms: number } {
  return {
    perSecond: median(results.map((result) => result.answers / result.seconds)),
    p50Ms: median(results.map((result) => result.p50Ms)),
    p99Ms: median(results.map((result) => result.p99Ms)),
  };
}

async function sampleLags(primaryUrl: string, seconds: number): Promise<number[]> {
  const endMs = performance.now() + seconds * 1000;
  return await withConnection(primaryUrl, async (client) => {
    const lagsMs: number[] = [];
    while (performance.now() < endMs) {
      for (const { ms } of (await client.query<{ ms: number }>(LAG)).rows) lagsMs.push(ms);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
    }
    return lagsMs;
  });
}

function lagOf(lagsMs: readonly number[]): ReplicasResult['lag'] {
  const sorted = [...lagsMs].sort((a, b) => a - b);
  const averageMs = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length;
  return { averageMs, p99Ms: quantile(sorted, 0.99), samples: sorted.length };
}

/** The service's own count of answered reads, by source. */
async function answersBySource({ metricsUrl }: ServiceProcess): Promise<Record<string, number>> {
  const text = await (await fetch(metricsUrl)).text();
  const lines = text.matchAll(/^onhand_reads_total\{source="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, source = '', answers]) => [source, Number(answers)]));
}

function add(
  sums: Record<string, number>,
  before: Record<string, number>,
  after: Record<string, number>,
): void {
  for (const [source, answers] of Object.entries(after)) {
    sums[source] = (sums[source] ?? 0) + answers - (before[source] ?? 0);
  }
}

function shares(sums: Readonly<Record<string, number>>): Record<string, number> {
  const all = Object.values(sums).reduce((sum, answers) => sum + answers, 0);
  return Object.fromEntries(Object.entries(sums).map(([source, answers]) => [source, answers / all]));
}
