import { afterEach, describe, expect, test } from '@jest/globals';
import { Callers } from '../../src/api/callers.js';
import { importOf, type Mutant } from '../mutants/mutant.js';
import { until } from '../until.js';
import { WatchFollower } from '../watch/watch-follower.js';
import { note } from './findings.js';
import { SERVER_NAMES } from './replicated-servers.js';
import { Stage } from './stage.js';

const PATIENCE_MS = 30_000;
/** A sign of life comes every 5 s: after this time there was one that was made after the sale. */
const SPLIT_MS = 11_000;
const STORE = 'store-1';

const stage = new Stage();

afterEach(() => stage.clear());

/** The watermark taken as the time of the poll's own statement, which a deposed primary goes on answering. */
const STATEMENT_TIME: Mutant = {
  file: 'src/feed/tail.js',
  replace: [['watermarkUs: beatTimeUs', 'watermarkUs: nowUs']],
};

/**
 * A service that reaches only the old primary, while the new one records a change.
 *
 * @returns whether its stream told that everything up to after that change has been sent.
 */
async function tellsTooMuch(imports: readonly string[]): Promise<boolean> {
  const servers = await stage.replicated('SYNCHRONOUS');
  const proxies = await Promise.all(SERVER_NAMES.map((name) => stage.proxy(servers.url(name))));
  const [databaseUrl = '', ...replicaUrls] = proxies.map((proxy, i) =>
    proxy.url(servers.url(SERVER_NAMES[i]!)),
  );
  const cutOff = await stage.service({ databaseUrl, replicaUrls, imports });
  const [first = '', ...others] = servers.urls;
  const other = await stage.service({ databaseUrl: first, replicaUrls: others });
  const callers = new Callers(other.grpcAddress, other.httpUrl);
  stage.keep(callers, async ({ grpc }) => grpc.close());
  const restock = async () =>
    await callers.overGrpc('Restock', {
      ...{ storeId: STORE, productId: 'p', quantity: 1, eventId: '', metadata: {} },
    });
  await restock();
  const addresses = [cutOff.grpcAddress];
  const follower = new WatchFollower({ addresses, storeId: STORE, productIds: [] });
  stage.keep(follower, async (one) => one.stop());
  await until(async () => follower.following, 'there is no snapshot', PATIENCE_MS);

  for (const proxy of proxies.slice(1)) {
    proxy.refuse();
    proxy.cutAll();
  }
  await servers.promote();
  await until(async () => 'stock' in (await restock()), 'the new primary takes no writes', PATIENCE_MS);
  const [row] = await servers.run(
    servers.primary,
    'SELECT (extract(epoch FROM max(recorded_time)) * 1e6)::float8 AS recorded FROM event_log',
  );
  const recordedUs = Number(row?.recorded);
  const recordedMs = performance.now();
  const seen = [...follower.stocks.values()];
  await until(async () => performance.now() - recordedMs > SPLIT_MS, 'time stands still', 60_000);
  // The fault has happened: what the new primary recorded has not come through.
  expect([...follower.stocks.values()]).toEqual(seen);
  expect(seen).toMatchObject([{ version: 1 }]);
  note(`the watermark is ${Math.round((follower.watermarkUs - recordedUs) / 1000)} ms after the change`);
  return follower.watermarkUs > recordedUs;
}

describe('a process that reaches only the old primary', () => {
  test('tells no watermark after a change that it has not sent', async () => {
    expect(await tellsTooMuch([])).toBe(false);
    await stage.expectServicesAlive();
  }, 180_000);

  test('would, were the watermark the time of the poll itself', async () => {
    expect(await tellsTooMuch([importOf(STATEMENT_TIME)])).toBe(true);
  }, 180_000);
});
