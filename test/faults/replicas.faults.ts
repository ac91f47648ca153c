import { afterEach, describe, expect, test } from '@jest/globals';
import { Callers } from '../../src/api/callers.js';
import { Source } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { until } from '../until.js';
import { expectInTime, note } from './findings.js';
import { SERVER_NAMES, type ServerName } from './replicated-servers.js';
import { Stage } from './stage.js';
import { type ReadSeen, WatchedStock } from './watched-stock.js';

/** What is in memory is answered from there whatever happens to the servers. */
const WITHOUT_LOCAL_CACHE = { ONHAND_LOCAL_CACHE_ENTRIES: '0' };

const PATIENCE_MS = 30_000;
const PRIMARY_AWAY_MS = 60_000;
const HUNG_MS = 12_000;
/** No server is counted on that has not answered for so long. */
const HANG_KNOWN_AFTER_MS = 4_000;
/** Two servers that hang are waited for, each for 1 s, before the third one is asked. */
const SLOWEST_READ_MS = 2_500;
const SLOWEST_LATER_MS = 500;

const stage = new Stage();

afterEach(() => stage.clear());

async function putUp() {
  const servers = await stage.replicated('ASYNCHRONOUS');
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const service = await stage.service({ databaseUrl, replicaUrls, environment: WITHOUT_LOCAL_CACHE });
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

describe('servers that hang, their connections open', () => {
  test(
    'the primary, beside replicas that are near: default reads go on',
    () => expectReadsGoOn(async ({ servers }) => servers.hang('a'), Source.REPLICA),
    600_000,
  );

  test(
    'the primary, beside replicas that are far behind: default reads go on',
    () =>
      expectReadsGoOn(async ({ servers, stock }) => {
        for (const name of servers.standbys) await servers.run(name, 'SELECT pg_wal_replay_pause()');
        await untilReadsComeFrom(stock, Source.PRIMARY);
        servers.hang('a');
      }, Source.REPLICA),
    600_000,
  );

  test(
    'every replica: default reads go on',
    () =>
      expectReadsGoOn(async ({ servers }) => {
        for (const name of servers.standbys) servers.hang(name);
      }, Source.PRIMARY),
    600_000,
  );
});

/** @param source where default reads come from once the fault is known. */
async function expectReadsGoOn(
  hang: (parts: Awaited<ReturnType<typeof putUp>>) => Promise<void>,
  source: Source,
): Promise<void> {
  await expectInTime(async () => {
    const parts = await putUp();
    const { servers, stock } = parts;
    await untilReadsComeFrom(stock, Source.REPLICA);
    await hang(parts);
    const hungMs = performance.now();
    await until(async () => performance.now() - hungMs > HUNG_MS, 'time stands still', 60_000);
    const written = stock.writes.some(({ ackedMs }) => ackedMs > hungMs + 1_000);
    for (const name of SERVER_NAMES) servers.goOn(name);
    for (const name of servers.standbys) await servers.run(name, 'SELECT pg_wal_replay_resume()');
    await untilReadsComeFrom(stock, Source.REPLICA);
    await until(async () => (stock.writes.at(-1)?.ackedMs ?? 0) > hungMs + HUNG_MS, 'no write', PATIENCE_MS);
    await stock.stop();

    const reads = stock.sentAfter(hungMs, 'DEFAULT').filter(({ sentMs }) => sentMs < hungMs + HUNG_MS);
    const late = reads.filter(({ sentMs }) => sentMs > hungMs + HANG_KNOWN_AFTER_MS);
    const tookMs = (each: readonly ReadSeen[]) =>
      Math.round(Math.max(...each.map(({ sentMs, endedMs }) => endedMs - sentMs)));
    note(`${reads.length} default reads, the slowest ${tookMs(reads)} ms, later on ${tookMs(late)} ms`);
    expect(failuresOf(stock.reads.filter(({ kind }) => kind === 'DEFAULT'))).toEqual([]);
    expect(stock.violations()).toEqual([]);
    expect(written).toBe(source === Source.PRIMARY);
    expect(late.filter((read) => read.source !== source)).toEqual([]);
    await stage.expectServicesAlive();
    await stage.clear();
    return [
      { what: `the slowest took ${tookMs(reads)} ms`, kept: tookMs(reads) <= SLOWEST_READ_MS },
      { what: `later on the slowest took ${tookMs(late)} ms`, kept: tookMs(late) <= SLOWEST_LATER_MS },
      { what: `${late.length} reads`, kept: late.length >= 500 },
    ];
  });
}
