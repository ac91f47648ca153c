import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@onhand/client';
import { findProgram, REDIS } from '../src/dev/optional-programs.js';
import { startRedis } from '../src/dev/redis-server.js';
import { projectRoot } from '../src/project-root.js';
import { type ServiceProcess, startService } from '../test/service-process.js';
import { ONHAND_DATABASE } from './databases.js';
import type { Database } from './environment.js';
import { type ComparisonResult, compareFromMemory } from './memory-comparison.js';
import type { ReadLoadPlan, ReadLoadResult } from './read-load.js';
import { quantile } from './statistics.js';
import { allStocks } from './stocks.js';

export interface ReadsOptions {
  /** Of each measured run. */
  readonly seconds: number;
  readonly rounds: number;
}

export interface ReadsResult {
  /** One stock from memory, beside a server that does nothing. */
  readonly grpc: ComparisonResult;
  readonly rest: ComparisonResult;
  /** Two processes that keep 5,000 stocks each in memory, over Redis, under 90 % reads and 10 % sales. */
  readonly mixed: { readonly redis: boolean; readonly entries: number; readonly runs: readonly MixedRun[] };
}

interface MixedRun {
  readonly name: string;
  readonly readsPerSecond: number;
  readonly salesPerSecond: number;
  readonly errors: number;
  /** By source: its share of the reads, and how long they took. */
  readonly sources: Readonly<
    Record<string, { readonly share: number; readonly p50Ms: number; readonly p99Ms: number }>
  >;
  readonly sale: { readonly p50Ms: number; readonly p99Ms: number };
  /** Reads that PostgreSQL did, over all reads: of several that waited for the same one it did one. */
  readonly databaseShare: number;
}

const ENTRIES = 5_000;
const SERVICES = 2;
const IN_FLIGHT = 24;
const READ_SHARE = 0.9;
const BATCH_KEYS = 500;

/** @throws Error where a call failed. */
export async function benchReads(
  { server }: Database,
  options: ReadsOptions,
  progress: (line: string) => void,
): Promise<ReadsResult> {
  const mixed = await benchMixed(server.url(ONHAND_DATABASE), options, progress);
  const grpc = await compareFromMemory('grpc', options, progress);
  const rest = await compareFromMemory('rest', options, progress);
  return { grpc, rest, mixed };
}

async function benchMixed(
  databaseUrl: string,
  { seconds, rounds }: ReadsOptions,
  progress: (line: string) => void,
): Promise<ReadsResult['mixed']> {
  const program = findProgram(REDIS);
  if (program === undefined)
    progress('no Redis is installed (Debian: apt install redis-server): without a shared cache');
  const folder = mkdtempSync(join(tmpdir(), 'onhand-bench-reads-'));
  const redis = program === undefined ? undefined : await startRedis({ program, dataDir: folder, port: 0 });
  const services: ServiceProcess[] = [];
  const loads: ChildProcess[] = [];
  try {
    for (let n = 0; n < SERVICES; n++) {
      services.push(
        await startService({
          ...{ databaseUrl, ...(redis === undefined ? {} : { redisUrl: redis.url }) },
          environment: { ONHAND_LOCAL_CACHE_ENTRIES: String(ENTRIES), ONHAND_PG_POOL_MAX: '20' },
        }),
      );
      loads.push(fork(join(projectRoot(), 'dist/bench/read-load.js')));
    }
    const runs: MixedRun[] = [];
    const run = async (name: string) => {
      runs.push(await runMixed(name, services, loads, seconds));
      progress(`${name}: ${Math.round(runs.at(-1)!.readsPerSecond)} reads /s`);
    };
    for (let round = 0; round < rounds; round++)
      await run(round === 0 ? 'from cold' : `after ${round * seconds} s`);
    progress(`reading each stock once`);
    await readEachStock(services[0]!);
    for (let round = 1; round <= rounds; round++) await run(`each read once, ${round}`);
    return { redis: redis !== undefined, entries: ENTRIES, runs };
  } finally {
    for (const load of loads) load.kill('SIGKILL');
    for (const service of services) await service.stop();
    await redis?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a service would have read within the five minutes that Redis keeps a stock for. */
async function readEachStock({ grpcAddress }: ServiceProcess): Promise<void> {
  const onhand = connect(grpcAddress, { limit: false });
  try {
    const keys = [...allStocks()];
    for (let first = 0; first < keys.length; first += BATCH_KEYS)
      await onhand.batchGet({ keys: keys.slice(first, first + BATCH_KEYS) });
  } finally {
    onhand.close();
  }
}

async function runMixed(
  name: string,
  services: readonly ServiceProcess[],
  loads: readonly ChildProcess[],
  seconds: number,
): Promise<MixedRun> {
  const before = await databaseReads(services);
  const results = await Promise.all(
    services.map(async ({ grpcAddress: address }, n) => {
      const plan: ReadLoadPlan = { address, inFlight: IN_FLIGHT, seconds, readShare: READ_SHARE };
      loads[n]!.send(plan);
      const [result] = await once(loads[n]!, 'message');
      return result as ReadLoadResult;
    }),
  );
  const read = (await databaseReads(services)) - before;
  const { SALE: sales = [], ...bySource } = merged(results);
  const reads = Object.values(bySource).reduce((sum, tookMs) => sum + tookMs.length, 0);
  const sources = Object.entries(bySource).map(([source, tookMs]) => [
    source,
    { share: tookMs.length / reads, ...quantiles(tookMs) },
  ]);
  return {
    name,
    readsPerSecond: reads / seconds,
    salesPerSecond: sales.length / seconds,
    errors: results.reduce((sum, { errors }) => sum + errors, 0),
    sources: Object.fromEntries(sources),
    sale: quantiles(sales),
    databaseShare: read / reads,
  };
}

function merged(results: readonly ReadLoadResult[]): Record<string, number[]> {
  const all: Record<string, number[]> = {};
  for (const { tookMs } of results) {
    for (const [source, times] of Object.entries(tookMs)) all[source] = [...(all[source] ?? []), ...times];
  }
  return all;
}

function quantiles(tookMs: readonly number[]): { p50Ms: number; p99Ms: number } {
  const sorted = Float64Array.from(tookMs).sort();
  return { p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
}

/** The services' own count of answers that came out of PostgreSQL. */
async function databaseReads(services: readonly ServiceProcess[]): Promise<number> {
  let reads = 0;
  for (const { metricsUrl } of services) {
    const text = await (await fetch(metricsUrl)).text();
    for (const [, count] of text.matchAll(/^onhand_reads_total\{source="(?:REPLICA|PRIMARY)"\} (\d+)$/gm))
      reads += Number(count);
  }
  return reads;
}
