import { afterEach, expect, test } from '@jest/globals';
import { Callers } from '../../src/api/callers.js';
import { until } from '../until.js';
import { note } from './findings.js';
import { SERVER_NAMES } from './replicated-servers.js';
import { Stage } from './stage.js';
import { WatchedStock } from './watched-stock.js';

const SPLIT_MS = 12_000;
const PATIENCE_MS = 30_000;
/** Beats count for 2 s; a request may have been under way before it began. */
const BEAT_LIMIT_MS = 2_000;

const stage = new Stage();

afterEach(() => stage.clear());

test('who reaches only the old primary gets no write acknowledged, no STRONG answer, nothing old unmarked', async () => {
  const servers = await stage.replicated('SYNCHRONOUS');
  const proxies = await Promise.all(SERVER_NAMES.map((name) => stage.proxy(servers.url(name))));
  const [databaseUrl = '', ...replicaUrls] = proxies.map((proxy, i) =>
    proxy.url(servers.url(SERVER_NAMES[i]!)),
  );
  const service = await stage.service({ databaseUrl, replicaUrls });
  const callers = new Callers(service.grpcAddress, service.httpUrl);
  stage.keep(callers, async ({ grpc }) => grpc.close());
  const cutOff = await WatchedStock.start(callers);
  stage.keep(cutOff, (one) => one.stop());
  await until(async () => cutOff.writes.length > 50, 'no load', PATIENCE_MS);

  // The service sees `a` only; `b` and `c` go on without `a`.
  for (const proxy of proxies.slice(1)) {
    proxy.refuse();
    proxy.cutAll();
  }
  await servers.promote();
  const promotedMs = performance.now();
  await until(async () => performance.now() - promotedMs > SPLIT_MS, 'time stands still', 60_000);
  const strong = cutOff.sentAfter(promotedMs + BEAT_LIMIT_MS, 'STRONG');
  const defaults = cutOff.sentAfter(promotedMs + 6_000, 'DEFAULT');
  const acknowledged = cutOff.writes.filter(({ ackedMs }) => ackedMs > promotedMs + 500).length;
  note(
    `${strong.length} STRONG reads, ${defaults.length} default reads, ${acknowledged} writes acknowledged`,
  );
  expect(strong.length).toBeGreaterThan(10);
  expect(strong.filter(({ failure }) => failure === undefined)).toEqual([]);
  expect(defaults.length).toBeGreaterThan(10);
  expect(defaults.filter(({ failure, stale }) => failure !== undefined || !stale)).toEqual([]);
  expect(acknowledged).toBe(0);

  // When it sees the others again, it finds the new primary by itself.
  const before = cutOff.writes.length;
  for (const proxy of proxies) proxy.heal();
  await until(async () => cutOff.writes.length > before + 20, 'writes do not go on', PATIENCE_MS);
  await cutOff.stop();
  const { version } = cutOff.writes.at(-1)!;
  const [row] = await servers.run(servers.primary, 'SELECT version::text FROM stock');
  expect(row).toEqual({ version: String(version) });
  expect(cutOff.violations()).toEqual([]);
  await stage.expectServicesAlive();
}, 300_000);
