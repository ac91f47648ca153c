import { afterEach, describe, expect, test } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import { audit } from '../load/audit.js';
import { monotonicMs, type RecordedCall } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import type { LoadProcess } from '../load/load-process.js';
import { openStocks } from '../load/opening-stocks.js';
import { until } from '../until.js';
import { expectInTime, failuresByReason, firstAcceptedAfterMs, note } from './findings.js';
import type { ReplicatedServers } from './replicated-servers.js';
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
async function putUpLoad(servers: ReplicatedServers, seed: string): Promise<LoadProcess[]> {
  await openStocks(servers.url('a'), PLAN.stocks, 1_000);
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const services = await Promise.all([1, 2].map(() => stage.service({ databaseUrl, replicaUrls })));
  return services.map(({ grpcAddress }, index) =>
    stage.load({ ...PLAN, seed: `${seed}-${index}`, addresses: [grpcAddress] }),
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

describe('synchronous, any one of two standbys', () => {
  test('kill -9 of the primary, ten times, loses nothing; writes go on by themselves within 2 s of a new one', async () => {
    await expectInTime(async (attempt) => {
      const servers = await stage.replicated('SYNCHRONOUS');
      const loads = await putUpLoad(servers, `failover-${attempt}`);
      const promotions: number[] = [];
      for (let round = 1; round <= 10; round++) {
        await flow(loads);
        const killed = servers.primary;
        await servers.server(killed).kill9();
        await servers.promote();
        promotions.push(monotonicMs());
        await flow(loads);
        await servers.follow(killed);
      }
      const journals = await all(loads, (load) => load.stop());
      const calls = journals.flat();
      note(JSON.stringify(failuresIn(calls)));
      expect(await audit(servers.url(servers.primary), calls)).toMatchObject({ problems: [], unknown: 0 });
      await stage.expectServicesAlive();
      const waits = resumedMs(journals, promotions);
      note(`writes went on after ${waits.map((ms) => `${Math.round(ms)} ms`).join(', ')}`);
      await stage.clear();
      return [
        {
          what: `resumed after ${Math.round(Math.max(...waits))} ms`,
          kept: Math.max(...waits) <= WRITES_RESUME_WITHIN_MS,
        },
      ];
    });
  }, 900_000);

  test('a switchover that leaves a standby at the old address shows callers nothing but what they may repeat', async () => {
    await expectInTime(async (attempt) => {
      const servers = await stage.replicated('SYNCHRONOUS');
      const loads = await putUpLoad(servers, `switchover-${attempt}`);
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
  const loads = await putUpLoad(servers, 'asynchronous');
  await flow(loads);
  // The standbys receive nothing more, so that there is something to lose.
  for (const name of servers.standbys) {
    await servers.run(name, "ALTER SYSTEM SET primary_conninfo = ''", 'SELECT pg_reload_conf()');
  }
  await until(
    async () => (await servers.run(servers.primary, 'SELECT FROM pg_stat_replication')).length === 0,
    'the standbys still stream',
  );
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

/** What callers were told is done, and the log does not have. */
async function lostCalls(url: string, calls: readonly RecordedCall[]): Promise<Set<RecordedCall>> {
  const { rows } = await withConnection(url, (client) => client.query('SELECT event_id FROM event_log'));
  const recorded = new Set(rows.map(({ event_id }) => event_id));
  const isLost = ({ tries, commands }: RecordedCall) =>
    tries.at(-1)?.results !== undefined && commands.some(({ eventId }) => !recorded.has(eventId));
  return new Set(calls.filter(isLost));
}
