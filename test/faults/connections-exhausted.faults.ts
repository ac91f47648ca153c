import { afterEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { poll } from '../../src/dev/poll.js';
import { audit } from '../load/audit.js';
import { monotonicMs } from '../load/journal.js';
import type { LoadPlan } from '../load/load-plan.js';
import { openStocks } from '../load/opening-stocks.js';
import { failuresByReason, firstAcceptedAfterMs, note, p99Ms, succeeded, triesSentIn } from './findings.js';
import { Stage } from './stage.js';

const MAX_CONNECTIONS = 30;
const EXHAUSTED_MS = 5_000;
const DEADLINE_MS = 2_000;
/** On a busy machine the deadline may come before the third try. */
const RETRYABLE = /^(UNAVAILABLE DATABASE_UNAVAILABLE|DEADLINE_EXCEEDED .*)$/;

const stage = new Stage();

afterEach(() => stage.clear());

const PLAN: Omit<LoadPlan, 'addresses'> = {
  seed: 'connections',
  connections: 2,
  load: { perSecond: 100 },
  stocks: { storePrefix: 'store', stores: 2, products: 20 },
  mix: { Sell: 1, Restock: 1 },
  deadlineMs: DEADLINE_MS,
  seconds: 120,
};

const HOG = 'hog';

const END_OTHERS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND application_name <> $1`;

/** Takes every connection that PostgreSQL has to give. */
class ConnectionHog {
  readonly #clients: pg.Client[] = [];

  constructor(private readonly url: string) {}

  /** Ends everybody else's connections and takes their places until all are its own. */
  async takeAll(): Promise<void> {
    const taken = await poll(
      async () => {
        while (await this.#takeOne());
        if (this.#clients.length === MAX_CONNECTIONS) return true;
        await this.#clients[0]!.query(END_OTHERS, [HOG]);
        return undefined;
      },
      30_000,
      5,
    );
    if (taken === undefined) throw new Error('The service still has connections.');
  }

  async #takeOne(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url, application_name: HOG });
    client.on('error', () => undefined);
    try {
      await client.connect();
      this.#clients.push(client);
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === '53300') return false;
      throw error;
    }
  }

  async release(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.end()));
  }
}

test('a PostgreSQL without a free connection makes writes UNAVAILABLE in time, and heals', async () => {
  const servers = await stage.servers({ max_connections: String(MAX_CONNECTIONS) });
  const { databaseUrl } = servers;
  await openStocks(databaseUrl, PLAN.stocks, 1_000);
  const { grpcAddress } = await stage.service({ databaseUrl });
  const load = stage.load({ ...PLAN, addresses: [grpcAddress] });
  await load.untilAcceptedMore(200, 30_000);

  const hog = stage.keep(new ConnectionHog(databaseUrl), (one) => one.release());
  await hog.takeAll();
  const fromMs = monotonicMs();
  await poll(() => (monotonicMs() - fromMs > EXHAUSTED_MS ? true : undefined), 2 * EXHAUSTED_MS);
  const toMs = monotonicMs();
  await hog.release();
  await load.untilAcceptedMore(200, 20_000);
  const calls = await load.stop();

  const tries = triesSentIn(calls, { fromMs, toMs: toMs - DEADLINE_MS });
  note(`without connections: p99 ${p99Ms(tries)} ms until ${JSON.stringify(failuresByReason(tries))}`);
  note(`accepted again ${Math.round(firstAcceptedAfterMs(calls, toMs))} ms after there were some`);
  expect(tries.length).toBeGreaterThan(100);
  expect(tries.filter(succeeded)).toEqual([]);
  expect(Object.keys(failuresByReason(tries)).filter((failure) => !RETRYABLE.test(failure))).toEqual([]);
  expect(tries.filter(({ failure }) => failure?.reason === 'DATABASE_UNAVAILABLE').length).toBeGreaterThan(
    100,
  );
  expect(firstAcceptedAfterMs(calls, toMs)).toBeLessThanOrEqual(5_000);
  expect(await audit(databaseUrl, calls)).toMatchObject({ problems: [] });
  await stage.expectServicesAlive();
}, 120_000);
