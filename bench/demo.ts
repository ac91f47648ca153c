import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Onhand } from '@onhand/client';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { complain, isInteractive, messageOf, say } from '../src/dev/terminal.js';
import { SeededRandom } from '../test/feed/seeded-random.js';
import { DemoTable } from './demo-table.js';
import { OnlineSales } from './stores/online-sales.js';
import { StoreFleet } from './stores/store-fleet.js';

interface DemoOptions {
  readonly server: string;
  readonly stores: number;
  readonly seconds: number;
  readonly seed: number;
  /** How long stores and service may take to agree, after the last cut, in seconds. */
  readonly patience: number;
}

const EXIT_USAGE = 2;
/** Of each store. */
const DEEDS_PER_SECOND = 15;
const ONLINE_PER_SECOND = 20;
const START_MS = 30_000;
const CHECK_MS = 500;
const READY_MS = 5_000;

/** @returns whether every store and the service agree in the end. */
async function stores(options: DemoOptions): Promise<boolean> {
  const { server, seconds, seed, stores: count } = options;
  const onhand = connect(server);
  const folder = mkdtempSync(join(tmpdir(), 'onhand-demo-'));
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error('Interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  let fleet: StoreFleet | undefined;
  try {
    await onhand.ready(READY_MS).catch(() => {
      throw new Error(
        `No service answers at ${server}: start it with npm start, or name another one with --server.`,
      );
    });
    const work = { perSecond: DEEDS_PER_SECOND, limit: seconds * DEEDS_PER_SECOND };
    fleet = await StoreFleet.start({
      address: server,
      stores: count,
      prefix: 'DEMO_',
      folder,
      seed,
      ...work,
    });
    return await run(fleet, onhand, options, stop.signal);
  } finally {
    await fleet?.stop();
    onhand.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(fleet: StoreFleet, onhand: Onhand, options: DemoOptions, stop: AbortSignal) {
  const { seconds, seed, patience } = options;
  const table = new DemoTable(fleet, isInteractive(process.stdout));
  say(
    `${fleet.stores.length} stores sell for ${seconds} s, each over a line that is cut at random; others sell in them online.`,
  );
  const drawing = setInterval(() => table.draw(), table.intervalMs);
  const online = new OnlineSales(onhand, fleet.storeIds, new SeededRandom(seed), ONLINE_PER_SECOND);
  try {
    if (!(await until(() => fleet.areRunning, START_MS, stop)))
      throw new Error('Not all stores have started.');
    fleet.beginCuts();
    await pause(seconds * 1_000, undefined, { signal: stop });
    fleet.settleLines();
    await online.stop();
    const agree = await converged(fleet, onhand, patience * 1_000, stop);
    table.draw();
    table.end(agree, online.counts);
    return agree;
  } finally {
    clearInterval(drawing);
    await online.stop();
  }
}

/** False at once where the sync of a store has ended: it will not come to agree any more. */
async function converged(fleet: StoreFleet, onhand: Onhand, patienceMs: number, stop: AbortSignal) {
  const agree = async () => fleet.areDone && (await fleet.differences(onhand)).length === 0;
  await until(async () => fleet.failures.length > 0 || (await agree()), patienceMs, stop);
  return fleet.failures.length === 0 && (await agree());
}

/** @returns whether it came about in time. */
async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const giveUpAt = performance.now() + timeoutMs;
  while (performance.now() < giveUpAt) {
    if (await condition()) return true;
    await pause(CHECK_MS, undefined, { signal });
  }
  return false;
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function commandLine(): Command {
  const program = new Command('npm run demo --').description('Shows Onhand at work.').exitOverride();
  program
    .command('stores')
    .description(
      'Stores that sell with and without a line to the service, until all of them and the service agree. ' +
        'It runs against npm start, in stores of its own (DEMO_01 …), and ends with 1 where they do not agree.',
    )
    .option('--server <address>', 'host:port of the service', '127.0.0.1:50051')
    .option('--stores <n>', 'how many', wholeNumber(1, 50), 20)
    .option('--seconds <n>', 'how long they sell and lines are cut', wholeNumber(1, 600), 30)
    .option(
      '--patience <n>',
      'how many seconds they may take after that until they agree',
      wholeNumber(1, 600),
      60,
    )
    .option('--seed <n>', 'of what is random', wholeNumber(0, 1_000_000), 1)
    .action(async (options: DemoOptions) => {
      if (!(await stores(options))) process.exitCode = 1;
    });
  return program;
}

try {
  await commandLine().parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  // Commander has said what is wrong; --help ends this way too.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else {
    complain(messageOf(error));
    process.exitCode = 1;
  }
}
