import { afterEach, expect, test } from '@jest/globals';
import { quantile } from '../../bench/statistics.js';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { findProgram, REDIS } from '../../src/dev/optional-programs.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { monotonicMs } from '../load/journal.js';
import { callAt, type LoadPlan } from '../load/load-plan.js';
import { insertStocks, openStocks } from '../load/opening-stocks.js';
import { connect, perform } from '../load/service-calls.js';
import { until } from '../until.js';
import { WatchFollower } from '../watch/watch-follower.js';
import { expectInTime, note, type TimeBound } from './findings.js';
import { Stage } from './stage.js';

const SALES = 400;
/** Between two sales: not in step with the polls. */
const PAUSE_MS = 7;
const STOCKS: LoadPlan['stocks'] = { storePrefix: 'store', stores: 1, products: 20 };
const STORE = 'store-1';
const PATIENCE_MS = 10_000;

const stage = new Stage();

afterEach(() => stage.clear());

interface Measured {
  /** From a sale's acknowledgement to its change in a stream of another process, ascending. */
  readonly delaysMs: readonly number[];
}

/** Two processes: sells through one, watches through the other. */
async function measure(databaseUrl: string, redisUrl: string | undefined, seed: string): Promise<Measured> {
  const options = { databaseUrl, ...(redisUrl === undefined ? {} : { redisUrl }) };
  const [selling, watched] = [await stage.service(options), await stage.service(options)];
  const seen = new Map<string, number>();
  const follower = new WatchFollower({
    ...{ addresses: [watched.grpcAddress], storeId: STORE, productIds: [] },
    onChange: ({ eventId }, seenMs) => seen.set(eventId, seenMs),
  });
  stage.keep(follower, async (one) => one.stop());
  await until(async () => follower.following, 'there is no snapshot', PATIENCE_MS);
  const acknowledged = await sell(selling.grpcAddress, seed);
  await until(
    async () => [...acknowledged.keys()].every((eventId) => seen.has(eventId)),
    'changes are missing',
    PATIENCE_MS,
  );
  expect(follower.problems).toEqual([]);
  // A change may be seen before its sale is acknowledged: then it took no time.
  const delaysMs = [...acknowledged].map(([eventId, ms]) => Math.max(0, seen.get(eventId)! - ms));
  return { delaysMs: delaysMs.sort((a, b) => a - b) };
}

/** One sale after the other. @returns when each was acknowledged, by event id. */
async function sell(address: string, seed: string): Promise<Map<string, number>> {
  const client = connect(address);
  const acknowledged = new Map<string, number>();
  const plan = { seed, stocks: STOCKS, mix: { Sell: 1 } } as LoadPlan;
  for (let index = 0; index < SALES; index++) {
    const call = callAt(plan, index);
    const answer = await perform(client, call, 5_000);
    expect(answer).toMatchObject({ results: [{ accepted: true }] });
    acknowledged.set(call.commands[0]!.eventId, monotonicMs());
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  client.close();
  return acknowledged;
}

function boundOn(what: string, { delaysMs }: Measured, share: number, limitMs: number): TimeBound {
  const ms = quantile(Float64Array.from(delaysMs), share);
  const text = `${what}: p50 ${quantile(Float64Array.from(delaysMs), 0.5).toFixed(1)} ms, ${share === 1 ? 'at most' : 'p99'} ${ms.toFixed(1)} ms`;
  note(text);
  return { what: text, kept: ms < limitMs };
}

async function newDatabase(): Promise<string> {
  const { url } = await stage.database();
  await openStocks(url, STOCKS, 100_000);
  return url;
}

describeNeeding(REDIS, 'with Redis', () => {
  test('a sale through one process is in a stream of another in p99 < 100 ms', async () => {
    await expectInTime(async (attempt) => {
      const redis = await stage.redis(findProgram(REDIS)!);
      const measured = await measure(await newDatabase(), redis.url, `redis-${attempt}`);
      await stage.expectServicesAlive();
      await stage.clear();
      return [boundOn('with Redis', measured, 0.99, 100)];
    });
  }, 180_000);
});

test('without Redis, in p99 < 400 ms', async () => {
  await expectInTime(async (attempt) => {
    const measured = await measure(await newDatabase(), undefined, `alone-${attempt}`);
    await stage.expectServicesAlive();
    await stage.clear();
    return [boundOn('without Redis', measured, 0.99, 400)];
  });
}, 180_000);

test('while another transaction stays open, never later than 1 s', async () => {
  await expectInTime(async (attempt) => {
    const url = await newDatabase();
    const measured = await withConnection(url, async (client) => {
      await client.query('BEGIN');
      await insertStocks(client, [STORE], ['held-open'], 10);
      const delays = await measure(url, undefined, `held-${attempt}`);
      await client.query('COMMIT');
      return delays;
    });
    await stage.expectServicesAlive();
    await stage.clear();
    return [boundOn('with a transaction held open', measured, 1, 1_000)];
  });
}, 180_000);
