import { createHash } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import { poll } from '../../src/dev/poll.js';
import { audit } from '../load/audit.js';
import type { LoadPlan } from '../load/load-plan.js';
import type { LoadProcess } from '../load/load-process.js';
import { openStocks } from '../load/opening-stocks.js';
import { failuresByReason, note } from './findings.js';
import type { Fate } from './postgres-proxy.js';
import { Stage } from './stage.js';

const SEED = 'lost-commit-1';
const FAULTS = 120;
const COMMITS_BETWEEN = 10;
const ALL_LOST_MS = 3_000;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'seed' | 'addresses'> = {
  connections: 4,
  load: { inFlight: 32 },
  stocks: { storePrefix: 'store', stores: 2, products: 20 },
  mix: { Sell: 6, Restock: 3, ApplyAtomic: 1, ApplyIndependent: 1 },
  batchSize: 10,
  deadlineMs: 5_000,
  tries: 50,
  seconds: 240,
};

/** Two services on one database, each through a proxy of its own, under load. */
async function putUp() {
  const database = await stage.database();
  await openStocks(database.url, PLAN.stocks, 1_000);
  const proxies = [await stage.proxy(database.url), await stage.proxy(database.url)];
  const loads: LoadProcess[] = [];
  for (const [index, proxy] of proxies.entries()) {
    const { grpcAddress } = await stage.service({ databaseUrl: proxy.url(database.url) });
    loads.push(stage.load({ ...PLAN, seed: `${SEED}-${index}`, addresses: [grpcAddress] }));
  }
  const flow = () => Promise.all(loads.map((load) => load.untilAcceptedMore(200, 60_000)));
  await flow();
  return { database, proxies, loads, flow };
}

type Where = 'COMMIT' | 'ANSWER';

/** What happens to the commit with this number: it is lost before or after PostgreSQL gets it, loudly or silently. */
function faultAt(index: number): { readonly where: Where; readonly fate: Exclude<Fate, 'pass'> } {
  const dice = createHash('sha256').update(`${SEED}/${index}`).digest();
  const fates = ['reset', 'close', 'reset', 'close', 'swallow'] as const;
  return { where: dice[0]! % 3 === 0 ? 'COMMIT' : 'ANSWER', fate: fates[dice[1]! % fates.length]! };
}

test('commits that are lost on the way there or back, loudly or silently, in two processes, count once', async () => {
  const { database, proxies, loads, flow } = await putUp();
  const done: Record<string, number> = {};
  let faults = 0;
  for (const proxy of proxies) {
    let next = proxy.counts.commits + COMMITS_BETWEEN;
    const judge = (where: Where): Fate => {
      const fault = faultAt(faults);
      if (faults === FAULTS || proxy.counts.commits < next || fault.where !== where) return 'pass';
      faults++;
      next = proxy.counts.commits + COMMITS_BETWEEN;
      const name = `${where} ${fault.fate}`;
      done[name] = (done[name] ?? 0) + 1;
      return fault.fate;
    };
    proxy.faults = {
      onCommit: () => judge('COMMIT'),
      onAnswer: ({ tags }) => (tags.at(-1) === 'COMMIT' ? judge('ANSWER') : 'pass'),
    };
  }
  await poll(() => (faults === FAULTS ? true : undefined), 120_000);
  await flow();
  const calls = (await Promise.all(loads.map((load) => load.stop()))).flat();
  note(
    `${JSON.stringify(done)}; told: ${JSON.stringify(failuresByReason(calls.flatMap(({ tries }) => tries)))}`,
  );
  expect(faults).toBe(FAULTS);
  expect(await audit(database.url, calls)).toMatchObject({ problems: [], unknown: 0 });
  await stage.expectServicesAlive();
}, 300_000);

test('while every answer to COMMIT is lost, callers are told that nobody knows, and asking again settles it', async () => {
  const { database, proxies, loads, flow } = await putUp();
  for (const proxy of proxies)
    proxy.faults = { onAnswer: ({ tags }) => (tags.at(-1) === 'COMMIT' ? 'reset' : 'pass') };
  const fromMs = performance.now();
  const unknown = () =>
    loads.every(({ totals }) => (totals.failures['UNAVAILABLE OUTCOME_UNKNOWN'] ?? 0) > 0);
  await poll(() => (unknown() && performance.now() - fromMs > ALL_LOST_MS ? true : undefined), 60_000);
  for (const proxy of proxies) proxy.heal();
  await flow();
  const calls = (await Promise.all(loads.map((load) => load.stop()))).flat();
  const tries = calls.flatMap((call) => call.tries);
  note(
    `${proxies.map(({ counts }) => counts.cut).join(' and ')} cut; ${JSON.stringify(failuresByReason(tries))}`,
  );
  expect(Math.min(...proxies.map(({ counts }) => counts.cut))).toBeGreaterThan(5);
  expect(unknown()).toBe(true);
  const singles = calls.filter(({ commands }) => commands.length === 1);
  const silent = singles.flatMap(({ commands, tries: all }) =>
    all.filter(
      ({ failure }) => failure?.reason === 'OUTCOME_UNKNOWN' && failure.eventId !== commands[0]?.eventId,
    ),
  );
  expect(silent.slice(0, 3)).toEqual([]);
  expect(await audit(database.url, calls)).toMatchObject({ problems: [], unknown: 0 });
  await stage.expectServicesAlive();
}, 300_000);
