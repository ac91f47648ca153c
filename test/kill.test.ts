import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { audit } from './load/audit.js';
import { monotonicMs, type RecordedCall, type Try } from './load/journal.js';
import type { LoadPlan } from './load/load-plan.js';
import { LoadProcess } from './load/load-process.js';
import { openStocks } from './load/opening-stocks.js';
import { type ServiceProcess, startService } from './service-process.js';

/** Two services, load from a client process that writes down what it was told, and what becomes of that. */

const SEED = 'kill';
const KILLS = 5;
/** Of them, with enough load before: a machine that is busy with other things may take it away. */
const LEAST_KILLS = 3;
const LONGEST_PAUSE_MS = 500;
/** Acknowledgements that have to flow before a kill, else the test is invalid. */
const LEAST_PER_SECOND = 500;
const FLOW_TIMEOUT_MS = 60_000;
const TEST_TIMEOUT_MS = 300_000;

const PLAN: Omit<LoadPlan, 'addresses'> = {
  seed: SEED,
  connections: 4,
  load: { inFlight: 800 },
  stocks: { storePrefix: 'store', stores: 3, products: 10 },
  mix: { Sell: 6, Restock: 4, ApplyAtomic: 1, ApplyIndependent: 1 },
  batchSize: 10,
  deadlineMs: 30_000,
  tries: 100,
  seconds: 600,
};

/** Failures after which nothing was done. Where nobody listens any more, the client itself says so, without a reason. */
const NOTHING_DONE = new Set([
  'UNAVAILABLE ',
  'UNAVAILABLE SHUTTING_DOWN',
  // On a machine that is busy with other things.
  'UNAVAILABLE DATABASE_UNAVAILABLE',
  'RESOURCE_EXHAUSTED QUEUE_FULL',
]);

let database: TestDatabase;
let services: ServiceProcess[];
let load: LoadProcess;

beforeEach(async () => {
  database = await createTestDatabase();
  await openStocks(database.url, PLAN.stocks, 20);
  services = await Promise.all([start(), start()]);
  load = new LoadProcess({ ...PLAN, addresses: services.map(({ grpcAddress }) => grpcAddress) });
}, 120_000);

afterEach(async () => {
  await load?.remove();
  await Promise.all((services ?? []).map((service) => service.stop()));
  await database?.drop();
}, 120_000);

const start = (grpcPort = '0') =>
  startService({ databaseUrl: database.url, environment: { ONHAND_GRPC_PORT: grpcPort } });

/** Waits until more than enough load has flowed for a second. */
async function untilLoadFlows(): Promise<void> {
  const giveUpMs = monotonicMs() + FLOW_TIMEOUT_MS;
  while (monotonicMs() < giveUpMs) {
    const [sinceMs, before] = [monotonicMs(), acknowledged()];
    await pause(1_000);
    const seconds = (monotonicMs() - sinceMs) / 1_000;
    if (acknowledged() - before >= 1.5 * LEAST_PER_SECOND * seconds) return;
  }
  throw new Error(`INVALID: fewer than ${LEAST_PER_SECOND} commands/s are acknowledged`);
}

const acknowledged = (): number => load.totals.accepted + load.totals.refused;

const triesOf = (calls: readonly RecordedCall[]): Try[] => calls.flatMap(({ tries }) => tries);

/** Whether enough was acknowledged in one of the three seconds before: what the client wrote down has the last word. */
function wasUnderLoad(calls: readonly RecordedCall[], atMs: number): boolean {
  const perSecond = [0, 0, 0];
  for (const { endedMs = 0, results = [] } of triesOf(calls)) {
    const second = Math.floor((atMs - endedMs) / 1_000);
    if (second in perSecond) perSecond[second]! += results.length;
  }
  return Math.max(...perSecond) >= LEAST_PER_SECOND;
}

test(
  `no acknowledged command is lost or doubled when processes are killed ${KILLS} times under load`,
  async () => {
    const killsMs: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      await pause(LONGEST_PAUSE_MS * share(`${SEED}/${kill}`));
      await untilLoadFlows();
      const victim = services[kill % 2]!;
      killsMs.push(monotonicMs());
      await victim.kill9();
      services[kill % 2] = await start(victim.grpcAddress.split(':')[1]);
    }
    await untilLoadFlows();
    const calls = await load.stop();

    expect((await audit(database.url, calls)).problems).toEqual([]);
    const valid = killsMs.filter((atMs) => wasUnderLoad(calls, atMs));
    if (valid.length < LEAST_KILLS) throw new Error(`INVALID: only ${valid.length} kills were under load`);
    for (const atMs of valid) {
      const brokenOff = triesOf(calls).filter(
        ({ sentMs, endedMs = 0, failure }) => failure !== undefined && sentMs < atMs && endedMs > atMs,
      );
      expect(brokenOff.length).toBeGreaterThan(0);
    }
  },
  TEST_TIMEOUT_MS,
);

test(
  'SIGTERM under load loses nothing: every call is answered or told to go elsewhere, within 20 s',
  async () => {
    await untilLoadFlows();
    const atMs = monotonicMs();
    const code = await services[0]!.stop();
    const endedMs = monotonicMs();
    await untilLoadFlows();
    const calls = await load.stop();

    if (!wasUnderLoad(calls, atMs)) throw new Error('INVALID: SIGTERM came without load');
    expect(code).toBe(0);
    expect(endedMs - atMs).toBeLessThan(20_000);
    const failed = triesOf(calls).filter(({ failure }) => failure !== undefined);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.filter(({ failure }) => !NOTHING_DONE.has(`${failure?.code} ${failure?.reason}`))).toEqual(
      [],
    );
    // Nothing was done whose answer was cut off: then it would have been told as a replay.
    expect(triesOf(calls).filter(({ results }) => results?.some(({ replayed }) => replayed))).toEqual([]);
    expect((await audit(database.url, calls)).problems).toEqual([]);
  },
  TEST_TIMEOUT_MS,
);

/** A number from 0 to 1 that follows from the text. */
const share = (text: string): number => createHash('sha256').update(text).digest().readUInt32LE() / 2 ** 32;
