import { expect } from '@jest/globals';
import { findProgram, REDIS } from '../../src/dev/optional-programs.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { type StockSet, storeIds } from '../load/load-plan.js';
import { insertStocks } from '../load/opening-stocks.js';
import type { ServiceProcess } from '../service-process.js';
import type { StalenessTotals } from '../staleness/staleness-checker.js';
import { StalenessProcess } from '../staleness/staleness-process.js';
import { note } from './findings.js';
import type { OwnRedis } from './own-redis.js';
import type { ReplicatedServers } from './replicated-servers.js';
import type { Stage } from './stage.js';
import { TcpLink } from './tcp-link.js';

/** Each run judges at least so many readings, the first ones before its fault. */
const READINGS = 100_000;
const READINGS_BEFORE = 15_000;
const READINGS_AFTER = 15_000;
const PATIENCE_MS = 120_000;
/** P3, and what may fail. */
const OLD_SHARE = 0.0001;
const FAILED_SHARE = 0.001;
const PROCESSES = 3;
const OPEN_QUANTITY = 1_000_000;
/** Of the products of each store, these are not there at first. */
const NEW_SHARE = 0.05;

export interface SceneOptions {
  readonly seed: number;
  /** Default 2,000. */
  readonly stocks?: number;
  readonly callsPerSecond?: number;
  readonly writesPerSecond?: number;
  /** Modules to load before each service: mutants. */
  readonly imports?: readonly string[];
}

/** Three processes on a primary and two standbys, one Redis, and a client that writes, reads and judges. */
export interface Scene {
  readonly servers: ReplicatedServers;
  readonly redis: OwnRedis;
  /** The way by which the first service goes to Redis. */
  readonly link: TcpLink;
  readonly services: readonly ServiceProcess[];
  readonly client: StalenessProcess;
}

/** Small, so that stocks come and go all the time. */
const ENVIRONMENT = {};

export async function putUpScene(stage: Stage, options: SceneOptions): Promise<Scene> {
  const {
    seed,
    stocks: count = 2_000,
    callsPerSecond = 2_500,
    writesPerSecond = 250,
    imports = [],
  } = options;
  const servers = await stage.replicated('SYNCHRONOUS');
  const stocks: StockSet = { storePrefix: 'store', stores: 20, products: count / 20 };
  const openProducts = Math.ceil(stocks.products * (1 - NEW_SHARE));
  await withConnection(servers.url('a'), (client) =>
    insertStocks(client, storeIds(stocks), productIdsUpTo(openProducts), OPEN_QUANTITY),
  );
  const redis = await stage.redis(findProgram(REDIS)!);
  const link = stage.keep(await TcpLink.start(redis.url), (one) => one.stop());
  const [databaseUrl = '', ...replicaUrls] = servers.urls;
  const services: ServiceProcess[] = [];
  for (let index = 0; index < PROCESSES; index++) {
    const redisUrl = index === 0 ? link.url : redis.url;
    const service = { databaseUrl, replicaUrls, redisUrl, environment: ENVIRONMENT, imports };
    services.push(await stage.service(service));
  }
  const client = new StalenessProcess({
    ...{ seed, stocks, openProducts, openQuantity: OPEN_QUANTITY, callsPerSecond, writesPerSecond },
    services: services.map(({ grpcAddress, httpUrl }) => ({ grpcAddress, httpUrl })),
  });
  stage.keep(client, (one) => one.remove());
  return { servers, redis, link, services, client };
}

const productIdsUpTo = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `p-${index + 1}`);

export interface RunOptions extends SceneOptions {
  readonly title: string;
  /** Brings the fault about, and ends it. @throws where it did not happen: the run proves nothing then. */
  readonly fault: (scene: Scene) => Promise<void>;
  /** Which share of the readings may be older than a second; P3's where nothing is said. */
  readonly oldShare?: number;
}

/** Reads before, in and after a fault, and expects what is promised of each. */
export async function expectTrueAges(stage: Stage, options: RunOptions): Promise<StalenessTotals> {
  const { title, fault, oldShare = OLD_SHARE } = options;
  const scene = await putUpScene(stage, options);
  const { client } = scene;
  await client.untilReadings(READINGS_BEFORE, PATIENCE_MS);
  await fault(scene);
  await client.untilMoreReadings(READINGS_AFTER, PATIENCE_MS);
  await client.untilReadings(READINGS, PATIENCE_MS);
  const totals = await client.stop();
  tell(title, totals);
  expect(totals.problems).toEqual([]);
  expect(totals.writes).toBeGreaterThan(1_000);
  expect(count(totals.failures) / totals.readings).toBeLessThanOrEqual(FAILED_SHARE);
  expect(old(totals) / totals.readings).toBeLessThanOrEqual(oldShare);
  await stage.expectServicesAlive();
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
