import { afterEach, describe, expect, test } from '@jest/globals';
import { audit } from '../load/audit.js';
import { monotonicMs, type RecordedCall } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import type { LoadProcess } from '../load/load-process.js';
import { lostCalls } from '../load/lost-calls.js';
import { openStocks } from '../load/opening-stocks.js';
import { isRead } from '../load/stock-order.js';
import { importOf } from '../mutants/mutant.js';
import { failuresByReason, note } from './findings.js';
import type { ReplicatedServers } from './replicated-servers.js';
import { Stage } from './stage.js';

/**
 * What clients of three processes recorded over the loss of a primary: for each stock one order of its events has to explain
 * every answer, to reads and refusals too (`unexplained`), with each acknowledged event in it once.
 */

const PROCESSES = 3;
const PATIENCE_MS = 60_000;
/** Accepted commands of each client before a loss, and after it. */
const FLOW = 300;
const STRONG_READS = 100;
const REFUSALS = 50;
/** The standbys are near enough to be read, and so late that none could give a STRONG answer unnoticed. */
const LATE_MS = 250;

const stage = new Stage();

afterEach(() => stage.clear());

/** Few stocks with few units: calls meet, and sales are refused. */
const PLAN: Omit<LoadPlan, 'seed' | 'addresses'> = {
  connections: 2,
  load: { inFlight: 12 },
  stocks: { storePrefix: 'store', stores: 2, products: 4 },
  mix: { Sell: 4, Restock: 2, Get: 2, GetStrong: 3, ApplyAtomic: 0.5, ApplyIndependent: 0.5 },
  batchSize: 4,
  deadlineMs: 5_000,
  tries: 100,
  seconds: 600,
};

/** Services on these servers, and a client for each. */
async function putUp(
  servers: ReplicatedServers,
  plan: Partial<LoadPlan> & { readonly seed: string },
  imports: readonly string[] = [],
): Promise<LoadProcess[]> {
  await openStocks(servers.url('a'), PLAN.stocks, 20);
  await servers.delayStandbys(LATE_MS);
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const loads: LoadProcess[] = [];
  while (loads.length < PROCESSES) {
    const { grpcAddress } = await stage.service({ databaseUrl, replicaUrls, imports });
    const seed = `${plan.seed}-${loads.length}`;
    loads.push(stage.load({ ...PLAN, ...plan, seed, addresses: [grpcAddress] }));
  }
  return loads;
}

const flow = (loads: readonly LoadProcess[]) =>
  Promise.all(loads.map((load) => load.untilAcceptedMore(FLOW, PATIENCE_MS)));

const stopAll = async (loads: readonly LoadProcess[]): Promise<RecordedCall[]> =>
  (await Promise.all(loads.map((load) => load.stop()))).flat();

/** Waits until the loss has come to every client. */
async function failAll(loads: readonly LoadProcess[]): Promise<void> {
  const before = loads.map(({ totals }) => totals.failedTries);
  const hasFailed = (load: LoadProcess, index: number) =>
    load.until(({ failedTries }) => failedTries > before[index]!, PATIENCE_MS);
  await Promise.all(loads.map(hasFailed));
}

/** As if nobody had heard what became of it. */
const unanswered = (call: RecordedCall): RecordedCall => ({
  ...call,
  tries: call.tries.map(({ sentMs }) => ({ sentMs })),
});

const endOf = ({ tries }: RecordedCall): number => tries.at(-1)?.endedMs ?? Number.POSITIVE_INFINITY;

/** STRONG reads that were answered in each of the times between these moments. */
function expectStrongReads(calls: readonly RecordedCall[], moments: readonly number[]): void {
  const strong = calls.filter(({ rpc, tries }) => rpc === 'GetStrong' && tries.at(-1)?.results);
  const counts = [...moments, Number.POSITIVE_INFINITY].map(
    (toMs, index) =>
      strong.filter((call) => endOf(call) >= (moments[index - 1] ?? 0) && endOf(call) < toMs).length,
  );
  note(
    `${calls.length} calls, STRONG reads ${counts.join(' and ')}; ${JSON.stringify(failuresByReason(calls.flatMap(({ tries }) => tries)))}`,
  );
  expect(Math.min(...counts)).toBeGreaterThan(STRONG_READS);
}

describe('synchronous', () => {
  test.each(['POWER_CUT', 'HANG'] as const)(
    'over the loss of two primaries (%s) one order explains every answer',
    async (how) => {
      const servers = await stage.replicated('SYNCHRONOUS');
      const loads = await putUp(servers, { seed: how });
      const promotedMs: number[] = [];
      for (let loss = 0; loss < 2; loss++) {
        await flow(loads);
        const lost = servers.primary;
        if (how === 'HANG') servers.hang(lost);
        else await servers.cutPower(lost);
        await servers.promote();
        promotedMs.push(monotonicMs());
        await flow(loads);
        if (how === 'HANG') await servers.cutPower(lost);
        await servers.follow(lost);
      }
      const calls = await stopAll(loads);
      expectStrongReads(calls, promotedMs);
      const refused = loads.reduce((sum, { totals }) => sum + totals.refused, 0);
      expect(refused).toBeGreaterThan(REFUSALS);
      expect(await audit(servers.url(servers.primary), calls)).toMatchObject({ problems: [], unknown: 0 });
      await stage.expectServicesAlive();
    },
    300_000,
  );

  test('a STRONG read that a standby answers is found', async () => {
    const toStandbys = importOf({
      file: 'src/reads/database-reads.js',
      replace: [
        ['strong ? await search.onPrimaryForSure()', 'strong ? await search.byDefault(this.#turn++)'],
      ],
    });
    const servers = await stage.replicated('SYNCHRONOUS');
    const loads = await putUp(servers, { seed: 'mutant' }, [toStandbys]);
    await flow(loads);
    const { problems } = await audit(servers.url('a'), await stopAll(loads));
    note(`${problems.length} problems: ${problems[0]}`);
    expect(problems).toContainEqual(
      expect.stringMatching(/GetStrong told version .* was known before it was sent$/),
    );
  }, 120_000);
});

test('asynchronous: the lost log explains every answer before the loss, the new one the others and what was not lost', async () => {
  const servers = await stage.replicated('ASYNCHRONOUS');
  // A cache may tell what was lost until its process has seen the new primary.
  const mix = { ...PLAN.mix, Get: 0 };
  const loads = await putUp(servers, { seed: 'asynchronous', mix });
  await flow(loads);
  await servers.cutStandbysOff();
  await flow(loads);
  const old = servers.primary;
  await servers.cutPower(old);
  await failAll(loads);
  const lostMs = monotonicMs();
  await servers.promote();
  const promotedMs = monotonicMs();
  await flow(loads);
  const calls = await stopAll(loads);
  await servers.startApart(old);
  const [oldLog, newLog] = [servers.url(old), servers.url(servers.primary)];
  const lost = await lostCalls(newLog, calls);
  note(`${lost.size} calls were lost`);
  expectStrongReads(calls, [promotedMs]);

  const before = calls.map((call) => (endOf(call) < lostMs ? call : unanswered(call)));
  expect(await audit(oldLog, before)).toMatchObject({ problems: [] });
  const isGone = (call: RecordedCall) => lost.has(call) || (isRead(call) && endOf(call) < lostMs);
  const after = calls.map((call) => (isGone(call) ? unanswered(call) : call));
  expect(await audit(newLog, after)).toMatchObject({ problems: [] });
  // And it is seen that something was lost.
  const { problems } = await audit(newLog, calls);
  expect(problems).toContainEqual(expect.stringContaining('was acknowledged and is not there'));
  await stage.expectServicesAlive();
}, 300_000);
