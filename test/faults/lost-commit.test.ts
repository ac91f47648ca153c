import { afterEach, expect, test } from '@jest/globals';
import { poll } from '../../src/dev/poll.js';
import { audit } from '../load/audit.js';
import type { RecordedCall } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { Stage } from './stage.js';

const CUTS = 20;
/** Between two cuts load flows again. */
const COMMITS_BETWEEN = 15;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'addresses'> = {
  seed: 'lost-commit',
  connections: 4,
  load: { inFlight: 64 },
  stocks: { storePrefix: 'store', stores: 2, products: 40 },
  mix: { Sell: 3, Restock: 1 },
  deadlineMs: 5_000,
  seconds: 120,
};

/** Command -> how often its callers were told that nobody knows. */
const unsettled = (calls: readonly RecordedCall[]): Set<string> =>
  new Set(
    calls
      .filter(({ tries }) => tries.at(-1)?.results === undefined)
      .flatMap(({ commands }) => commands.map(({ eventId }) => eventId)),
  );

test('a connection that breaks as COMMIT is answered loses nothing, doubles nothing, and is settled', async () => {
  const database = await stage.database();
  await openStocks(database.url, PLAN.stocks, 1_000);
  const proxy = await stage.proxy(database.url);
  const service = await stage.service({ databaseUrl: proxy.url(database.url) });
  const load = stage.load({ ...PLAN, addresses: [service.grpcAddress] });
  await load.untilAcceptedMore(200, 60_000);

  const cut: ReadonlySet<string>[] = [];
  let next = proxy.counts.commits;
  proxy.faults = {
    onAnswer: ({ tags, eventIds }) => {
      if (tags.at(-1) !== 'COMMIT' || cut.length === CUTS || proxy.counts.commits < next) return 'pass';
      next = proxy.counts.commits + COMMITS_BETWEEN;
      cut.push(eventIds);
      return cut.length % 2 === 0 ? 'reset' : 'close';
    },
  };
  await poll(() => (cut.length === CUTS ? true : undefined), 60_000);
  await load.untilAcceptedMore(200, 60_000);
  const calls = await load.stop();

  expect(cut).toHaveLength(CUTS);
  expect(proxy.counts.cut).toBe(CUTS);
  const lost = unsettled(calls);
  const settled = cut.filter((ids) => ![...ids].some((id) => lost.has(id))).length;
  expect(settled / CUTS).toBeGreaterThanOrEqual(0.95);
  expect(await audit(database.url, calls)).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 240_000);
