import { afterEach, expect, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { PGBOUNCER } from '../../src/dev/optional-programs.js';
import { audit } from '../load/audit.js';
import { monotonicMs } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { startPgBouncer } from '../pgbouncer-process.js';
import { until } from '../until.js';
import { expectInTime, failuresByReason, firstAcceptedAfterMs, note } from './findings.js';
import { type ReplicatedServers, SERVER_NAMES } from './replicated-servers.js';
import { Stage } from './stage.js';

const WRITES_RESUME_WITHIN_MS = 2_000;
/** Longer than a service waits for any answer, twice. */
const CUT_OFF_MS = 9_000;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'addresses'> = {
  seed: 'pgbouncer',
  connections: 2,
  load: { inFlight: 24 },
  stocks: { storePrefix: 'store', stores: 3, products: 20 },
  mix: { Sell: 3, Restock: 1, ApplyAtomic: 0.5 },
  batchSize: 5,
  deadlineMs: 5_000,
  tries: 100,
  seconds: 300,
};

/** A service that reaches each of the servers through a PgBouncer of its own, and its load. */
async function putUp(servers: ReplicatedServers) {
  await openStocks(servers.url('a'), PLAN.stocks, 1_000);
  const throughPoolers = SERVER_NAMES.map(async (name) => {
    const settings = { server_login_retry: '1' };
    const pooler = stage.keep(await startPgBouncer(servers.url(name), settings), (one) => one.stop());
    return pooler.url(servers.url(name));
  });
  const [databaseUrl = '', ...replicaUrls] = await Promise.all(throughPoolers);
  const service = await stage.service({ databaseUrl, replicaUrls });
  const load = stage.load({ ...PLAN, addresses: [service.grpcAddress] });
  await load.untilAcceptedMore(200, 60_000);
  return { service, load };
}

describeNeeding(PGBOUNCER, 'a PgBouncer in front of each server', () => {
  test('kill -9 of the primary loses nothing; writes go on by themselves within 2 s of a new one', async () => {
    await expectInTime(async () => {
      const servers = await stage.replicated('SYNCHRONOUS');
      const { load } = await putUp(servers);
      const killed = servers.primary;
      await servers.server(killed).kill9();
      await servers.promote();
      const promotedMs = monotonicMs();
      await load.untilAcceptedMore(200, 60_000);
      await servers.follow(killed);
      await load.untilAcceptedMore(200, 60_000);
      const calls = await load.stop();
      const waitMs = Math.round(firstAcceptedAfterMs(calls, promotedMs));
      const result = await audit(servers.url(servers.primary), calls);
      const failures = failuresByReason(calls.flatMap(({ tries }) => tries));
      note(
        `writes went on after ${waitMs} ms; ${result.acknowledged} acknowledged; ${JSON.stringify(failures)}`,
      );
      expect(result).toMatchObject({ problems: [], unknown: 0 });
      await stage.expectServicesAlive();
      await stage.clear();
      return [{ what: `resumed after ${waitMs} ms`, kept: waitMs <= WRITES_RESUME_WITHIN_MS }];
    });
  }, 300_000);

  test('a primary that has lost its standbys makes no beat that is seen, and takes no writes', async () => {
    const servers = await stage.replicated('SYNCHRONOUS');
    const { service, load } = await putUp(servers);
    const beat = async () => (await servers.run('a', 'SELECT n::text FROM heartbeat'))[0]?.n;
    for (const name of servers.standbys) await servers.server(name).kill9();
    const cutOffMs = performance.now();
    const last = await beat();
    await until(async () => performance.now() - cutOffMs > CUT_OFF_MS, 'time stands still', 60_000);
    expect(await beat()).toBe(last);
    expect(await (await fetch(service.metricsUrl)).text()).toMatch(/^onhand_writable 0$/m);
    for (const name of servers.standbys) await servers.follow(name);
    await load.untilAcceptedMore(200, 60_000);
    expect(await audit(servers.url('a'), await load.stop())).toMatchObject({ problems: [], unknown: 0 });
    await stage.expectServicesAlive();
  }, 300_000);
});
