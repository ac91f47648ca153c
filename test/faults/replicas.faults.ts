import { afterEach, expect, test } from '@jest/globals';
import { Callers } from '../../src/api/callers.js';
import { Source } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { until } from '../until.js';
import { note } from './findings.js';
import type { ServerName } from './replicated-servers.js';
import { Stage } from './stage.js';
import { type ReadSeen, WatchedStock } from './watched-stock.js';

const PATIENCE_MS = 30_000;
const PRIMARY_AWAY_MS = 60_000;

const stage = new Stage();

afterEach(() => stage.clear());

async function putUp() {
  const servers = await stage.replicated('ASYNCHRONOUS');
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const service = await stage.service({ databaseUrl, replicaUrls });
  const callers = new Callers(service.grpcAddress, service.httpUrl);
  stage.keep(callers, async ({ grpc }) => grpc.close());
  const stock = await WatchedStock.start(callers);
  stage.keep(stock, (one) => one.stop());
  return { servers, service, stock };
}

const failuresOf = (reads: readonly ReadSeen[]) => reads.flatMap(({ failure }) => failure ?? []);

/** Waits until the next default reads come from there: at least twenty in a row. */
async function untilReadsComeFrom(stock: WatchedStock, source: Source): Promise<void> {
  await until(
    async () => {
      const last = stock.reads.filter(({ kind }) => kind === 'DEFAULT').slice(-20);
      return last.length === 20 && last.every((read) => read.source === source);
    },
    `default reads do not come from ${Source[source]}`,
    PATIENCE_MS,
  );
}

test('replicas that are killed, paused or slow lose no read and break no promise; reads come back to them', async () => {
  const { servers, stock } = await putUp();
  const [b, c] = servers.standbys as [ServerName, ServerName];
  await untilReadsComeFrom(stock, Source.REPLICA);

  await servers.server(b).kill9();
  await untilReadsComeFrom(stock, Source.REPLICA);
  await servers.run(c, 'SELECT pg_wal_replay_pause()');
  await untilReadsComeFrom(stock, Source.PRIMARY);
  await servers.run(c, 'SELECT pg_wal_replay_resume()');
  await untilReadsComeFrom(stock, Source.REPLICA);

  await servers.run(c, "ALTER SYSTEM SET recovery_min_apply_delay = '3s'", 'SELECT pg_reload_conf()');
  await untilReadsComeFrom(stock, Source.PRIMARY);
  await servers.server(c).kill9();
  await untilReadsComeFrom(stock, Source.PRIMARY);
  await servers.follow(b);
  await untilReadsComeFrom(stock, Source.REPLICA);

  await stock.stop();
  note(`${stock.reads.length} reads, ${stock.writes.length} writes`);
  expect(failuresOf(stock.reads)).toEqual([]);
  expect(stock.writesFailed).toBe(0);
  expect(stock.violations()).toEqual([]);
  await stage.expectServicesAlive();
}, 300_000);

test('without a primary for 60 s default reads go on, marked stale with their true age; the rest says UNAVAILABLE', async () => {
  const { servers, service, stock } = await putUp();
  await untilReadsComeFrom(stock, Source.REPLICA);
  await servers.server('a').kill9();
  const killedMs = performance.now();
  await until(async () => performance.now() - killedMs > PRIMARY_AWAY_MS, 'time stands still', 90_000);
  const ready = await fetch(`${service.httpUrl}/readyz`);
  const metrics = await (await fetch(service.metricsUrl)).text();
  await stock.stop();

  const defaults = stock.sentAfter(killedMs, 'DEFAULT');
  note(
    `${defaults.length} default reads without a primary, the last at most ${defaults.at(-1)?.maxAgeMs} ms old`,
  );
  expect(failuresOf(stock.reads.filter(({ kind }) => kind === 'DEFAULT'))).toEqual([]);
  expect(stock.violations()).toEqual([]);
  const late = defaults.filter(({ sentMs }) => sentMs - killedMs > 6_000);
  expect(late.length).toBeGreaterThan(100);
  expect(late.every(({ stale, source }) => stale && source === Source.REPLICA)).toBe(true);
  // The age grows with the time since the primary was there, and not faster.
  const excess = late.map(({ maxAgeMs, sentMs }) => maxAgeMs - (sentMs - killedMs));
  expect(Math.min(...excess)).toBeGreaterThan(-1_000);
  expect(Math.max(...excess)).toBeLessThan(5_000);
  const strong = stock.sentAfter(killedMs + 6_000, 'STRONG');
  expect(new Set(failuresOf(strong))).toEqual(new Set(['UNAVAILABLE DATABASE_UNAVAILABLE']));
  expect(failuresOf(strong)).toHaveLength(strong.length);
  expect(ready.status).toBe(200);
  expect(metrics).toMatch(/^onhand_writable 0$/m);
  await stage.expectServicesAlive();
}, 300_000);
