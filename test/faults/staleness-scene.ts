import { expect } from '@jest/globals';
import { findProgram, REDIS } from '../../src/dev/optional-programs.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { productIds, type StockSet, storeIds } from '../load/load-plan.js';
import { insertStocks } from '../load/opening-stocks.js';
import type { ServiceProcess } from '../service-process.js';
import type { StalenessTotals } from '../staleness/staleness-checker.js';
import { StalenessProcess } from '../staleness/staleness-process.js';
import { note } from './findings.js';
import type { OwnRedis } from './own-redis.js';
import type { ReplicatedServers } from './replicated-servers.js';
import type { Stage } from './stage.js';
import { TcpLink } from './tcp-link.js';

/** Each run judges at least so many readings, of them this share before its fault, and as many after it. */
const READINGS = 100_000;
const SHARE_BEFORE = 0.15;
/** 100,000 take 40 s on two cores that do nothing else, and this long on busy ones. */
const PATIENCE_MS = 400_000;
/** P3, and what may fail. */
const OLD_SHARE = 0.0001;
const FAILED_SHARE = 0.001;
const PROCESSES = 3;
const STOCKS: StockSet = { storePrefix: 'store', stores: 20, products: 100 };
/** The stocks of the other products are made by the first write. */
const OPEN_PRODUCTS = 95;
const OPEN_QUANTITY = 1_000_000;

export interface SceneOptions {
  readonly seed: number;
  /** Modules to load before each service: mutants. */
  readonly imports?: readonly string[];
}

/** Three processes on a primary and two standbys, one Redis, and a client that writes, reads and judges. */
export interface Scene {
  readonly servers: ReplicatedServers;
  readonly redis: OwnRedis;
  readonly services: readonly ServiceProcess[];
  readonly client: StalenessProcess;
  /** The first service's ways to Redis and to the primary, which are nobody else's. */
  readonly toRedis: TcpLink;
  readonly toPrimary: TcpLink;
  /** Kills the first service, and starts it again on its ports. */
  readonly startAgain: () => Promise<void>;
}

/** Small, so that stocks come and go all the time. */
const ENVIRONMENT = { ONHAND_LOCAL_CACHE_ENTRIES: '300' };

export async function putUpScene(stage: Stage, { seed, imports = [] }: SceneOptions): Promise<Scene> {
  const servers = await stage.replicated('SYNCHRONOUS');
  await withConnection(servers.url('a'), (client) =>
    insertStocks(client, storeIds(STOCKS), productIds({ ...STOCKS, products: OPEN_PRODUCTS }), OPEN_QUANTITY),
  );
  const redis = await stage.redis(findProgram(REDIS)!);
  const toRedis = stage.keep(await TcpLink.start(redis.url), (one) => one.stop());
  const toPrimary = stage.keep(await TcpLink.start(servers.url('a')), (one) => one.stop());
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const start = (urls: { databaseUrl: string; redisUrl: string }, ports: Record<string, string> = {}) =>
    stage.service({ replicaUrls, imports, ...urls, environment: { ...ENVIRONMENT, ...ports } });
  const ownWays = { databaseUrl: toPrimary.url, redisUrl: toRedis.url };
  const services = [await start(ownWays)];
  while (services.length < PROCESSES) services.push(await start({ databaseUrl, redisUrl: redis.url }));
  const startAgain = async () => {
    const { grpcAddress, httpUrl } = services[0]!;
    await stage.kill9(services[0]!);
    const ports = { ONHAND_GRPC_PORT: portOf(grpcAddress), ONHAND_HTTP_PORT: portOf(httpUrl) };
    services[0] = await start(ownWays, ports);
  };
  const client = new StalenessProcess({
    ...{ seed, stocks: STOCKS, openProducts: OPEN_PRODUCTS, openQuantity: OPEN_QUANTITY },
    ...{ callsPerSecond: 1_500, writesPerSecond: 250 },
    services: services.map(({ grpcAddress, httpUrl }) => ({ grpcAddress, httpUrl })),
  });
  stage.keep(client, (one) => one.remove());
  return { servers, redis, toRedis, toPrimary, services, client, startAgain };
}

const portOf = (address: string): string => address.slice(address.lastIndexOf(':') + 1);

export interface RunOptions extends SceneOptions {
  readonly title: string;
  /** Brings the fault about, and ends it. @throws where it did not happen: the run proves nothing then. */
  readonly fault: (scene: Scene) => Promise<void>;
  /** 100,000 where nothing is said. */
  readonly readings?: number;
  /** Which share of the readings may fail; P5's where nothing is said. */
  readonly failedShare?: number;
  /** No primary can be one for sure meanwhile: whatever asks for STRONG may fail. */
  readonly strongMayFail?: boolean;
}

/** Reads before, in and after a fault, and expects what is promised of each. */
export async function expectTrueAges(stage: Stage, options: RunOptions): Promise<StalenessTotals> {
  const { title, fault, readings = READINGS, failedShare = FAILED_SHARE, strongMayFail = false } = options;
  const scene = await putUpScene(stage, options);
  const { client } = scene;
  await client.untilReadings(SHARE_BEFORE * readings, PATIENCE_MS);
  await fault(scene);
  await client.untilMoreReadings(SHARE_BEFORE * readings, PATIENCE_MS);
  await client.untilReadings(readings, PATIENCE_MS);
  const totals = await client.stop();
  tell(title, totals);
  await stage.expectServicesAlive();
  expect(totals.problems).toEqual([]);
  expect(totals.writes).toBeGreaterThan(readings / 100);
  const failed = count(totals.failures) + (strongMayFail ? 0 : count(totals.strongFailures));
  expect(failed / (totals.readings + failed)).toBeLessThanOrEqual(failedShare);
  expect(old(totals) / totals.readings).toBeLessThanOrEqual(OLD_SHARE);
  return totals;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const count = (failures: Record<string, number>): number => sum(Object.values(failures));
const old = ({ sources }: StalenessTotals): number =>
  sum(Object.values(sources).map(({ overOneSecond }) => overOneSecond));

function tell(title: string, totals: StalenessTotals): void {
  const { readings, writes, sources, failures, strongFailures, wentBack } = totals;
  const share = ((100 * old(totals)) / readings).toFixed(4);
  note(`${title}: ${readings} readings, ${writes} writes, ${wentBack} went back, ${share} % over 1 s`);
  for (const [name, { readings: ofSource, oldestMs, stale }] of Object.entries(sources).sort())
    note(`  ${name.padEnd(12)} ${ofSource} readings, the oldest ${oldestMs.toFixed(0)} ms, ${stale} stale`);
  if (count(failures) > 0) note(`  failed: ${JSON.stringify(failures)}`);
  if (count(strongFailures) > 0) note(`  failed, STRONG: ${JSON.stringify(strongFailures)}`);
}
