import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { audit } from '../load/audit.js';
import { monotonicMs, type RecordedCall } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import type { LoadProcess } from '../load/load-process.js';
import { lostCalls } from '../load/lost-calls.js';
import { openStocks } from '../load/opening-stocks.js';
import { expectInTime, failuresByReason, firstAcceptedAfterMs, note } from './findings.js';
import type { ReplicatedServers, ServerName } from './replicated-servers.js';
import { Stage } from './stage.js';

const WRITES_RESUME_WITHIN_MS = 2_000;
const CUT_TAKES_MS = 3_000;
/** What a caller may see while there is no primary, and repeat. */
const RETRYABLE = /^(UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED) /;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'seed' | 'addresses'> = {
  connections: 2,
  load: { inFlight: 24 },
  stocks: { storePrefix: 'store', stores: 3, products: 20 },
  mix: { Sell: 3, Restock: 1, ApplyAtomic: 0.5 },
  batchSize: 5,
  deadlineMs: 5_000,
  tries: 100,
  seconds: 600,
};

/** Two services on these servers, and a load client for each. */
async function putUpLoad(
  servers: ReplicatedServers,
  plan: Omit<LoadPlan, 'addresses'>,
): Promise<LoadProcess[]> {
  await openStocks(servers.url('a'), plan.stocks, 1_000);
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const services = await Promise.all([1, 2].map(() => stage.service({ databaseUrl, replicaUrls })));
  return services.map(({ grpcAddress }, index) =>
    stage.load({ ...plan, seed: `${plan.seed}-${index}`, addresses: [grpcAddress] }),
  );
}

const all = <T>(loads: readonly LoadProcess[], work: (load: LoadProcess) => Promise<T>) =>
  Promise.all(loads.map(work));

const flow = (loads: readonly LoadProcess[]) => all(loads, (load) => load.untilAcceptedMore(200, 60_000));

const stopAll = async (loads: readonly LoadProcess[]) => (await all(loads, (load) => load.stop())).flat();

/** How long after each promotion the slower of the services accepted something again. */
const resumedMs = (journals: readonly (readonly RecordedCall[])[], promotions: readonly number[]) =>
  promotions.map((atMs) => Math.max(...journals.map((calls) => firstAcceptedAfterMs(calls, atMs))));

const failuresIn = (calls: readonly RecordedCall[]) => failuresByReason(calls.flatMap(({ tries }) => tries));

/** How the primary is lost: by the kernel's kill of its postmaster, all its processes at once, or none of them: it hangs. */
const LOSSES = ['KILL', 'POWER_CUT', 'HANG'] as const;

/** One way in which a run loses its primary, and when: so many accepted commands after the one before, and a moment more. */
interface Loss {
  readonly how: (typeof LOSSES)[number];
  readonly afterAccepted: number;
  readonly delayMs: number;
}

/** Everything of a run that follows from its seed: the load, with its commands, and how it loses two primaries. */
function runOf(seed: string): { readonly plan: Omit<LoadPlan, 'addresses'>; readonly losses: Loss[] } {
  const dice = createHash('sha256').update(seed).digest();
  const stocks = { ...PLAN.stocks, stores: 1 + (dice[0]! % 4), products: 5 + (dice[1]! % 36) };
  const load = { inFlight: 8 + (dice[2]! % 33) };
  const losses = [10, 20].map((at) => ({
    how: LOSSES[dice[at]! % LOSSES.length]!,
    afterAccepted: 50 + dice[at + 1]!,
    delayMs: dice[at + 2]!,
  }));
  return { plan: { ...PLAN, seed, stocks, load }, losses };
}

async function lose(servers: ReplicatedServers, { how, delayMs }: Loss): Promise<ServerName> {
  const { primary } = servers;
  await pause(delayMs);
  if (how === 'HANG') servers.hang(primary);
  else if (how === 'KILL') await servers.server(primary).kill9();
  else await servers.cutPower(primary);
  return primary;
}

/** One run, on servers and services of its own. @returns how long writes were away after each promotion, in milliseconds. */
async function loseTwoPrimaries(seed: string): Promise<number[]> {
  const { plan, losses } = runOf(seed);
  const servers = await stage.replicated('SYNCHRONOUS');
  const loads = await putUpLoad(servers, plan);
  const promotions: number[] = [];
  for (const loss of losses) {
    await all(loads, (load) => load.untilAcceptedMore(loss.afterAccepted, 60_000));
    const lost = await lose(servers, loss);
    await servers.promote();
    promotions.push(monotonicMs());
    await flow(loads);
    if (loss.how === 'HANG') await servers.cutPower(lost);
    await servers.follow(lost);
  }
  const journals = await all(loads, (load) => load.stop());
  const calls = journals.flat();
  const { acknowledged, ...result } = await audit(servers.url(servers.primary), calls);
  const lost = await lostCalls(servers.url(servers.primary), calls);
  const waitsMs = resumedMs(journals, promotions).map(Math.round);
  note(
    `${seed}: ${losses.map(({ how }) => how).join(', ')}; writes went on after ${waitsMs.join(' and ')} ms; ` +
      `${acknowledged} acknowledged, ${lost.size} lost; ${JSON.stringify(failuresIn(calls))}`,
  );
  expect(lost.size).toBe(0);
  expect(result).toMatchObject({ problems: [], unknown: 0 });
  await stage.expectServicesAlive();
  await stage.clear();
  return waitsMs;
}

describe('synchronous, any one of two standbys', () => {
  const seeds = Array.from({ length: 10 }, (_, index) => `primary-${index + 1}`);

  test('the ten runs lose primaries in every way', () => {
    const ways = seeds.flatMap((seed) => runOf(seed).losses.map(({ how }) => how));
    expect(new Set(ways)).toEqual(new Set(LOSSES));
  });

  test.each(seeds)(
    'run %s: the loss of the primary, twice, loses nothing; writes go on by themselves within 2 s of a new one',
    async (seed) => {
      await expectInTime(async () => {
        const slowestMs = Math.max(...(await loseTwoPrimaries(seed)));
        return [{ what: `resumed after ${slowestMs} ms`, kept: slowestMs <= WRITES_RESUME_WITHIN_MS }];
      });
    },
    300_000,
  );

  test('a switchover that leaves a standby at the old address shows callers nothing but what they may repeat', async () => {
    await expectInTime(async (attempt) => {
      const servers = await stage.replicated('SYNCHRONOUS');
      const loads = await putUpLoad(servers, { ...PLAN, seed: `switchover-${attempt}` });
      await flow(loads);
      const old = servers.primary;
      await servers.server(old).stop('fast');
      await servers.promote();
      const promotedMs = monotonicMs();
      await servers.follow(old);
      await flow(loads);
      const journals = await all(loads, (load) => load.stop());
      const calls = journals.flat();
      const failures = failuresIn(calls);
      note(JSON.stringify(failures));
      expect(Object.keys(failures).filter((failure) => !RETRYABLE.test(failure))).toEqual([]);
      expect(await audit(servers.url(servers.primary), calls)).toMatchObject({ problems: [], unknown: 0 });
      await stage.expectServicesAlive();
      const [waitMs = 0] = resumedMs(journals, [promotedMs]);
      await stage.clear();
      return [{ what: `resumed after ${Math.round(waitMs)} ms`, kept: waitMs <= WRITES_RESUME_WITHIN_MS }];
    });
  }, 600_000);
});

test('asynchronous: what a failover loses is what the new primary had not received, and nothing else breaks', async () => {
  const servers = await stage.replicated('ASYNCHRONOUS');
  const loads = await putUpLoad(servers, { ...PLAN, seed: 'asynchronous' });
  await flow(loads);
  await servers.cutStandbysOff();
  const cutMs = monotonicMs();
  await flow(loads);
  await servers.server(servers.primary).kill9();
  await servers.promote();
  await flow(loads);
  const calls = await stopAll(loads);
  const lost = await lostCalls(servers.url(servers.primary), calls);
  const earliestMs = Math.min(...[...lost].map(({ tries }) => tries.at(-1)?.endedMs ?? Number.NaN));
  note(
    `${lost.size} acknowledged calls were lost, the first of them ${Math.round(earliestMs - cutMs)} ms after the cut`,
  );
  expect(lost.size).toBeGreaterThan(0);
  // An answer may come a little before the check that nothing streams any more.
  expect(earliestMs - cutMs).toBeGreaterThan(-CUT_TAKES_MS);
  const unanswered = calls.map((call) => (lost.has(call) ? { ...call, tries: [] } : call));
  expect(await audit(servers.url(servers.primary), unanswered)).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 600_000);
