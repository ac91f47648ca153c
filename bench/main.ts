import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { complain, isInteractive, messageOf } from '../src/dev/terminal.js';
import { EnvironmentStarter } from './environment.js';
import { FeedBench, type FeedOptions } from './feed.js';
import { type ComparisonOptions, compareFromMemory } from './memory-comparison.js';
import { benchOverload, type OverloadOptions } from './overload.js';
import { Pgbench } from './pgbench.js';
import { QuickBench, type QuickOptions } from './quick.js';
import { benchReads, type ReadsOptions } from './reads.js';
import { benchReplicas, type ReplicasOptions } from './replicas.js';
import {
  describeMachine,
  drawFeedReport,
  drawOverloadReport,
  drawReadsReport,
  drawReplicasReport,
  drawReport,
  drawRestReport,
  drawSyncReport,
  formatReport,
  type QuickReport,
  saveReport,
} from './report.js';
import { SyncBench, type SyncOptions } from './sync.js';

const EXIT_USAGE = 2;

/** Each line with the seconds since the start. */
function progress(line: string): void {
  complain(`[${(performance.now() / 1000).toFixed(0).padStart(3)} s] ${line}`);
}

async function quick(options: QuickOptions & { readonly json?: boolean }): Promise<void> {
  progress('starting PostgreSQL with 100,000 stocks, and the service');
  const report = await withServers(async (starter): Promise<QuickReport> => {
    const environment = await starter.start();
    const { seconds, rounds } = options;
    const result = await new QuickBench(environment, { seconds, rounds }, progress).run();
    return {
      benchmark: 'quick',
      time: new Date().toISOString(),
      machine: describeMachine(),
      server: environment.settings,
      pgbench: Pgbench.installed() ?? null,
      options: { seconds, rounds },
      result,
    };
  });
  if (options.json) {
    process.stdout.write(formatReport(report));
    return;
  }
  process.stdout.write(`${drawReport(report, isInteractive(process.stdout))}\n`);
  process.stdout.write(`Written as JSON to ${saveReport(report)}.\n`);
}

async function rest(options: ComparisonOptions & { readonly json?: boolean }): Promise<void> {
  const run = (chosen: ComparisonOptions) => compareFromMemory('rest route', chosen, progress);
  await publish('rest', options, run, drawRestReport);
}

async function reads(options: ReadsOptions & { readonly json?: boolean }): Promise<void> {
  const run = (chosen: ReadsOptions) =>
    withServers(async (starter) => {
      progress('starting PostgreSQL with 100,000 stocks');
      return await benchReads(await starter.startDatabase(), chosen, progress);
    });
  await publish('reads', options, run, drawReadsReport);
}

async function replicas(options: ReplicasOptions & { readonly json?: boolean }): Promise<void> {
  await publish('replicas', options, benchReplicas, drawReplicasReport);
}

async function feed({ plan, ...options }: FeedOptions & { plan?: boolean; json?: boolean }): Promise<void> {
  const run = (chosen: FeedOptions) =>
    withServers(async (starter) => {
      progress('starting PostgreSQL with 100,000 stocks');
      return await new FeedBench(await starter.startDatabase(), chosen, progress).run();
    });
  await publish('feed', options, run, (report, colours) => drawFeedReport(report, colours, plan === true));
}

async function sync(options: SyncOptions & { readonly json?: boolean }): Promise<void> {
  const run = (chosen: SyncOptions) =>
    withServers(async (starter) => {
      progress('starting PostgreSQL with 100,000 stocks');
      const database = await starter.startDatabase();
      return await new SyncBench(database, starter.pgbench(database), chosen, progress).run();
    });
  await publish('sync', options, run, drawSyncReport);
}

async function overload(options: OverloadOptions & { readonly json?: boolean }): Promise<void> {
  const run = (chosen: OverloadOptions) => withServers((starter) => benchOverload(starter, chosen, progress));
  await publish('overload', options, run, drawOverloadReport);
}

/** Runs a benchmark, and prints its report or writes it down. */
async function publish<T, O extends object>(
  benchmark: string,
  { json, ...options }: O & { readonly json?: boolean },
  run: (
    options: Omit<O & { readonly json?: boolean }, 'json'>,
    progress: (line: string) => void,
  ) => Promise<T>,
  draw: (report: { readonly result: T }, colours: boolean) => string,
): Promise<void> {
  const result = await run(options, progress);
  const report = { benchmark, time: new Date().toISOString(), machine: describeMachine(), options, result };
  if (json) {
    process.stdout.write(formatReport(report));
    return;
  }
  process.stdout.write(`${draw(report, isInteractive(process.stdout))}\n`);
  process.stdout.write(`Written as JSON to ${saveReport(report)}.\n`);
}

/** Stops whatever servers the work starts, however it ends, a signal included. */
async function withServers<T>(work: (starter: EnvironmentStarter) => Promise<T>): Promise<T> {
  const starter = new EnvironmentStarter();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const onSignal = (signal: NodeJS.Signals) => {
    complain(`${signal}: stopping.`);
    const exit = () => process.exit(1);
    starter.stop().then(exit, exit);
  };
  for (const signal of signals) process.once(signal, onSignal);
  try {
    return await work(starter);
  } finally {
    await starter.stop();
    for (const signal of signals) process.removeListener(signal, onSignal);
  }
}

/** A whole number of this range, from the command line. */
function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function commandLine(): Command {
  const program = new Command('npm run bench --')
    .description('Measures Onhand on servers of its own, beside pgbench where it is installed.')
    .exitOverride();
  program
    .command('quick')
    .description(
      'Sells per second on one product and on 100 x 1,000, beside the naive transaction; about 2 minutes',
    )
    .option('--seconds <n>', 'length of each measured run', wholeNumber(1, 60), 4)
    .option('--rounds <n>', 'runs of each side, in turn', wholeNumber(1, 100), 3)
    .option('--json', 'print JSON only, and write no file')
    .action(quick);
  program
    .command('rest')
    .description(
      'What the REST route costs, over a stub in place of the reads, beside an empty Fastify route; about half a minute',
    )
    .option('--seconds <n>', 'length of each measured run', wholeNumber(1, 60), 2)
    .option('--rounds <n>', 'runs of each side, in turn', wholeNumber(1, 100), 7)
    .option('--json', 'print JSON only, and write no file')
    .action(rest);
  program
    .command('reads')
    .description(
      'Reads by source through the caches, under 90 % reads and 10 % sales, and from memory beside servers that do nothing; about 3 minutes',
    )
    .option('--seconds <n>', 'length of each measured run', wholeNumber(1, 60), 4)
    .option('--rounds <n>', 'runs of each side, in turn', wholeNumber(1, 100), 5)
    .option('--json', 'print JSON only, and write no file')
    .action(reads);
  program
    .command('replicas')
    .description('Reads by source and the lag of two replicas, under write load; about half a minute')
    .option('--seconds <n>', 'length of each measured run', wholeNumber(1, 60), 5)
    .option('--rounds <n>', 'runs of each kind of read, in turn', wholeNumber(1, 100), 3)
    .option('--json', 'print JSON only, and write no file')
    .action(replicas);
  program
    .command('feed')
    .description(
      'What the polls of 1, 3 and 10 feeds cost, at rest and under 15,000 events a second; about 1.5 minutes',
    )
    .option('--seconds <n>', 'length of each measured run', wholeNumber(1, 60), 5)
    .option('--plan', 'print the plans of the poll too, at rest and under writes')
    .option('--json', 'print JSON only, and write no file')
    .action(feed);
  program
    .command('sync')
    .description(
      'Stores that send the logs of their offline time, one and twenty at once, beside the naive transaction; about 3 minutes',
    )
    .option('--seconds <n>', 'length of each run of pgbench', wholeNumber(1, 60), 4)
    .option('--rounds <n>', 'runs of each case and of pgbench, in turn', wholeNumber(1, 4), 3)
    .option('--json', 'print JSON only, and write no file')
    .action(sync);
  program
    .command('overload')
    .description(
      'Sales at 1 to 3 times what one process can do, of callers with gRPC stubs and with the client for Node.js; about 4 minutes',
    )
    .option('--seconds <n>', 'length of each measured run', wholeNumber(1, 60), 10)
    .option('--json', 'print JSON only, and write no file')
    .action(overload);
  return program;
}

try {
  await commandLine().parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  // Commander has said what is wrong; --help ends this way too.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else {
    complain(`The benchmark has no result: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
