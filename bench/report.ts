import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import Table from 'cli-table3';
import { projectRoot } from '../src/project-root.js';
import type { ServerSettings } from './databases.js';
import type { FeedResult } from './feed.js';
import type { ComparisonResult } from './memory-comparison.js';
import type { OverloadResult } from './overload.js';
import type { Case, QuickOptions, QuickResult } from './quick.js';
import type { ReadsResult } from './reads.js';
import type { ReplicasResult } from './replicas.js';
import type { SyncResult } from './sync.js';

/** Results are committed, so that a change shows what it does to them. */
const RESULT_FOLDER = 'bench/results';

/** A result with all that is needed to judge it. */
export interface QuickReport {
  readonly benchmark: 'quick';
  readonly time: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly server: ServerSettings;
  readonly pgbench: string | null;
  readonly options: QuickOptions;
  readonly result: QuickResult;
}

/** The processors, memory and versions that the run had. */
export function describeMachine(): QuickReport['machine'] {
  return {
    cpus: availableParallelism(),
    model: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${arch()}`,
    node: process.versions.node,
  };
}

/** @returns where it was written, from the project's folder. */
export function saveReport(report: { readonly benchmark: string }): string {
  const file = join(RESULT_FOLDER, `${report.benchmark}.json`);
  mkdirSync(join(projectRoot(), RESULT_FOLDER), { recursive: true });
  writeFileSync(join(projectRoot(), file), formatReport(report));
  return file;
}

export const formatReport = (report: object): string => `${JSON.stringify(report, rounded, 2)}\n`;

/** Three decimals say more than the measurement does. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

/** The report of `rest` for people. */
export const drawRestReport = ({ result }: { readonly result: ComparisonResult }, colours: boolean): string =>
  drawComparison('GET one stock, reads stubbed', 'empty Fastify route', result, colours);

function drawComparison(what: string, empty: string, result: ComparisonResult, colours: boolean): string {
  const table = newTable([what, 'per second', 'p50 ms', 'p99 ms'], colours);
  for (const [name, side] of [
    ['Onhand', result.onhand],
    [empty, result.empty],
  ] as const) {
    table.push([name, count(side.median), side.p50Ms.toFixed(1), side.p99Ms.toFixed(1)]);
  }
  const { ratio, target, connections } = result;
  return `${table.toString()}\nRatio ${ratio.toFixed(2)} (goal: ${target}), over ${connections} connections.`;
}

/** The report of `reads` for people. */
export function drawReadsReport({ result }: { readonly result: ReadsResult }, colours: boolean): string {
  const { mixed, grpc, rest } = result;
  const table = newTable(
    ['90 % reads, 10 % sales', 'reads /s', 'source', 'share', 'p50 ms', 'p99 ms'],
    colours,
  );
  for (const { name, readsPerSecond, salesPerSecond, sources, sale } of mixed.runs) {
    const rows = Object.entries(sources).sort(([, a], [, b]) => b.share - a.share);
    rows.forEach(([source, { share, p50Ms, p99Ms }], row) => {
      const head = row === 0 ? [name, count(readsPerSecond)] : ['', ''];
      table.push([...head, source, `${(100 * share).toFixed(1)} %`, p50Ms.toFixed(1), p99Ms.toFixed(1)]);
    });
    table.push(['', count(salesPerSecond), 'sales', '', sale.p50Ms.toFixed(1), sale.p99Ms.toFixed(1)]);
  }
  const shares = mixed.runs.map(({ databaseShare }) => `${(100 * databaseShare).toFixed(1)} %`);
  return [
    table.toString(),
    `Two processes with ${count(mixed.entries)} of 100,000 stocks in memory each${mixed.redis ? ', over Redis' : ', without Redis'}; Zipf 0.99. ` +
      `Reads that PostgreSQL did: ${shares.join(', ')} (the original: 5 %).`,
    drawComparison('Get one stock from memory, gRPC', 'empty grpc-js method', grpc, colours),
    drawComparison('GET one stock from memory, REST', 'empty Fastify route', rest, colours),
  ].join('\n');
}

/** The report of `replicas` for people. */
export function drawReplicasReport(
  { result }: { readonly result: ReplicasResult },
  colours: boolean,
): string {
  const { reads, lag, sells, sources } = result;
  const table = newTable(['Reads under write load', 'per second', 'p50 ms', 'p99 ms'], colours);
  for (const { name, perSecond, p50Ms, p99Ms } of reads) {
    table.push([name, count(perSecond), p50Ms.toFixed(1), p99Ms.toFixed(1)]);
  }
  const shares = Object.entries(sources).map(([source, share]) => `${source} ${(100 * share).toFixed(1)} %`);
  return [
    table.toString(),
    `Default reads came from: ${shares.join(', ')}.`,
    `Two replicas replayed within ${lag.averageMs.toFixed(1)} ms on average, p99 ${lag.p99Ms.toFixed(1)} ms (the original: 100 ms), ` +
      `under ${count(sells.perSecond)} sales a second; ${lag.samples} samples.`,
  ].join('\n');
}

/** The report of `feed` for people. */
export function drawFeedReport(
  { result }: { readonly result: FeedResult },
  colours: boolean,
  withPlans: boolean,
): string {
  const head = [
    'Feeds',
    'events /s',
    'polls /s',
    'rows',
    'p50 ms',
    'p99 ms',
    'server ms',
    'feeds %',
    'writers %',
  ];
  const table = newTable([...head, 'processes %', 'delay p50', 'p99 ms'], colours);
  for (const { name, feeds, eventsPerSecond, polls, cpu, delay } of result.runs) {
    table.push([
      ...[`${feeds} ${name}`, count(eventsPerSecond), count(polls.perSecond), count(polls.rowsP50)],
      ...[polls.p50Ms, polls.p99Ms, polls.serverMs].map((ms) => ms.toFixed(1)),
      ...[cpu.feeds, cpu.writers, cpu.processes].map((share) => (100 * share).toFixed(1)),
      ...(delay === undefined ? ['-', '-'] : [count(delay.p50Ms), count(delay.p99Ms)]),
    ]);
  }
  const plans = Object.entries(result.plans);
  return [
    table.toString(),
    'Polls of each feed, with the median of their rows; server ms: processor time of the server for one poll. In percent of one',
    'processor: the server for all feeds and for all writers, and the processes that follow. Delay: commit to delivery.',
    ...plans.map(([when, { scans }]) => `Event log, ${when}: ${scans.join(', ')}.`),
    ...(withPlans ? plans.map(([when, { lines }]) => `\nThe plan ${when}:\n${lines.join('\n')}`) : []),
  ].join('\n');
}

/** The report of `sync` for people. */
export function drawSyncReport({ result }: { readonly result: SyncResult }, colours: boolean): string {
  const head = ['Stores', 'operations', 'in a message', 'pgbench /s', 'Onhand /s', 'ratio', 'service MB'];
  const table = newTable([...head, 'service µs each', 'server µs each'], colours);
  const { goals } = result;
  for (const { stores, operations, messageSize, pgbench, onhand, ratio } of result.cases)
    table.push([
      ...[stores, operations, messageSize].map(count),
      pgbench === null ? '-' : `${count(pgbench.median)} (${pgbench.clients} clients)`,
      count(onhand.median),
      ratio === null ? '-' : paint(ratio >= goals.ratio, `${ratio.toFixed(2)} x`, colours),
      paint(onhand.peakMb < goals.peakMb, count(onhand.peakMb), colours),
      ...[onhand.serviceUs, onhand.serverUs].map(count),
    ]);
  return [
    table.toString(),
    'Operations that were made durable, each an event and a change of one of 1,000 stocks per store, beside the naive transaction',
    `on all stocks; medians. The stores run on the same processors. Goals: ${goals.ratio} x, and below ${goals.peakMb} MB, the most memory`,
    'that the service had resident. Service and server: their processor time for one operation.',
  ].join('\n');
}

/** The report of `overload` for people. */
export function drawOverloadReport(
  { result }: { readonly result: OverloadResult },
  colours: boolean,
): string {
  const head = [
    'Asked for',
    'callers',
    'offered /s',
    'done /s',
    'of the peak',
    'refused there',
    'here',
    'late',
  ];
  const table = newTable([...head, 'p50 ms', 'p99 ms', 'refusals p50 ms', 'load CPUs'], colours);
  for (const run of result.runs) {
    table.push([
      ...[`${run.times.toFixed(1)} x`, run.callers, count(run.offered)],
      ...[count(run.done), `${Math.round(100 * run.share)} %`],
      ...[run.refusedThere, run.refusedHere, run.late].map(count),
      ...[count(run.p50Ms), count(run.p99Ms), count(run.refusalP50Ms), run.loadCpus.toFixed(2)],
    ]);
  }
  const { done, recorded } = result.checks;
  return [
    `Asked for so many times the most that the service did for these callers${result.pinned ? '; with one processor, or a quarter of it for the client' : ''}.`,
    table.toString(),
    `Checked: of ${count(done)} sales that were answered in time, all are among the ${count(recorded)} of the event log.`,
  ].join('\n');
}

/** The report of `quick` for people. */
export function drawReport(report: QuickReport, colours: boolean): string {
  const { result, server, machine } = report;
  const settings = (['fsync', 'synchronous_commit', 'full_page_writes'] as const).map(
    (name) => `${name} ${server[name]}`,
  );
  return [
    `PostgreSQL ${server.version}: ${settings.join(', ')}. ${machine.cpus} processors for everything, the load included.`,
    drawCases(result.cases, colours),
    drawOthers(result),
    `Checked: ${count(result.checks.onhandSales)} sales acknowledged by Onhand and ${count(result.checks.pgbenchSales)} by pgbench ` +
      'are exactly the sales of the event logs, and every stock is the sum of its events.',
    ...(report.pgbench === null
      ? [
          'pgbench is not installed (Debian: apt install postgresql-contrib), so there is nothing to compare with.',
        ]
      : []),
  ].join('\n');
}

function drawCases(cases: readonly Case[], colours: boolean): string {
  const table = newTable(
    ['Sell /s (median)', 'pgbench', 'Onhand', 'p50 ms', 'p99 ms', 'ratio', 'at least', 'goal'],
    colours,
  );
  for (const { name, pgbench, onhand, ratio, target, laterTarget } of cases) {
    table.push([
      name,
      pgbench === null ? '-' : `${count(pgbench.median)} (${pgbench.clients} clients)`,
      `${count(onhand.median)} (${onhand.inFlight} in flight)`,
      onhand.p50Ms.toFixed(1),
      onhand.p99Ms.toFixed(1),
      ratio === null ? '-' : paint(ratio >= target, `${ratio.toFixed(2)} x`, colours),
      `${target} x`,
      `${laterTarget} x`,
    ]);
  }
  return table.toString();
}

function drawOthers({ lone, besides }: QuickResult): string {
  const beside = lone.pgbenchP50Ms === null ? '' : `, pgbench -c 1 ${lone.pgbenchP50Ms.toFixed(2)} ms`;
  const ratio = lone.ratio === null ? '' : `: ${lone.ratio.toFixed(2)} x (goal: below 2 x)`;
  const others = besides.map(
    ({ name, perSecond, p50Ms }) => `${name}: ${count(perSecond)} /s, p50 ${p50Ms.toFixed(1)} ms`,
  );
  return [
    `One client, one call at a time: p50 of Sell ${lone.sellP50Ms.toFixed(2)} ms${beside}${ratio}`,
    ...others,
  ].join('\n');
}

const paint = (good: boolean, text: string, colours: boolean): string =>
  colours ? styleText(good ? 'green' : 'red', text) : text;

function newTable(head: string[], colours: boolean) {
  const style = { head: [], border: [], compact: true };
  const colAligns = head.map((_, index) => (index === 0 ? 'left' : 'right') as 'left' | 'right');
  return new Table({ head: colours ? head.map((text) => styleText('bold', text)) : head, colAligns, style });
}

const count = (value: number): string => Math.round(value).toLocaleString('en-US');
