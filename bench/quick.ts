import { audit, NAIVE_DATABASE, ONHAND_DATABASE } from './databases.js';
import type { Environment } from './environment.js';
import type { LoadPlan, LoadResult, Spread } from './load-plan.js';
import { CALIBRATION_SECONDS } from './pgbench.js';
import { bestLevel, median } from './statistics.js';

export interface QuickOptions {
  /** Of each measured run. */
  readonly seconds: number;
  readonly rounds: number;
}

/** One kind of load, measured on both sides in turn. Rates are sales per second, one per round. */
export interface Case {
  readonly name: Spread;
  readonly target: number;
  readonly laterTarget: number;
  readonly pgbench: { readonly clients: number; readonly rates: number[]; readonly median: number } | null;
  readonly onhand: {
    readonly inFlight: number;
    readonly rates: number[];
    readonly median: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    /** Processors that the load process used. */
    readonly loadCpus: number;
  };
  readonly ratio: number | null;
}

export interface QuickResult {
  readonly cases: Case[];
  readonly lone: {
    readonly pgbenchP50Ms: number | null;
    readonly sellP50Ms: number;
    readonly ratio: number | null;
  };
  /** For information: one run each. */
  readonly besides: {
    readonly name: string;
    readonly perSecond: number;
    readonly p50Ms: number;
    readonly loadCpus: number;
  }[];
  /** Sales acknowledged and sales in the event log, of all runs; they are equal, or there is no result. */
  readonly checks: { readonly onhandSales: number; readonly pgbenchSales: number };
}

const IN_FLIGHT = [128, 256];
/** Several callers, each with a connection of its own; no more than 100 calls may be under way on one. */
const CONNECTIONS = 4;

/** The goals are for later: a ratio below `target` is a defect, one below `laterTarget` is work. */
const CASES = [
  { name: 'one product', target: 8, laterTarget: 15 },
  { name: 'all stocks', target: 1.4, laterTarget: 2 },
] as const;

/** The quick benchmark: both sides in turn, on one server, in one run. */
export class QuickBench {
  #sales = 0;

  constructor(
    private readonly environment: Environment,
    private readonly options: QuickOptions,
    private readonly progress: (line: string) => void,
  ) {}

  /** @throws Error where anything was refused or failed, or an event log does not hold exactly what was acknowledged. */
  async run(): Promise<QuickResult> {
    const cases: Case[] = [];
    for (const one of CASES) cases.push(await this.#case(one));
    const lone = await this.#lone();
    const besides = await this.#besides();
    const pgbenchSales = await this.#checkPgbench();
    return { cases, lone, besides, checks: { onhandSales: this.#sales, pgbenchSales } };
  }

  async #case({ name, target, laterTarget }: (typeof CASES)[number]): Promise<Case> {
    // Each side may take what suits it best; the short runs warm it up as well.
    const clients = (await this.environment.pgbench?.bestClients(name, this.progress)) ?? 0;
    const inFlight = await this.#bestInFlight(name);
    const { seconds, rounds } = this.options;
    const naive: number[] = [];
    const sells: LoadResult[] = [];
    for (let round = 1; round <= rounds; round++) {
      const rate = await this.#naive(name, clients, seconds);
      if (rate !== undefined) naive.push(rate);
      const sell = await this.#sell({ spread: name, inFlight, seconds });
      sells.push(sell);
      this.progress(`${name}, round ${round} of ${rounds}: ${beside(rate)}Onhand ${perSecond(rateOf(sell))}`);
    }
    const pgbench = naive.length === 0 ? null : { clients, rates: naive, median: median(naive) };
    const onhand = { inFlight, ...summary(sells) };
    const ratio = pgbench === null ? null : onhand.median / pgbench.median;
    return { name, target, laterTarget, pgbench, onhand, ratio };
  }

  async #bestInFlight(spread: Spread): Promise<number> {
    return await bestLevel(IN_FLIGHT, async (inFlight) => {
      const rate = rateOf(await this.#sell({ spread, inFlight, seconds: CALIBRATION_SECONDS }));
      this.progress(`${spread}, Onhand with ${inFlight} calls in flight: ${perSecond(rate)}`);
      return rate;
    });
  }

  /** One caller that waits for each answer, with the client that a caller in Node has. */
  async #lone(): Promise<QuickResult['lone']> {
    const naive: number[] = [];
    const sells: number[] = [];
    const seconds = Math.min(this.options.seconds, CALIBRATION_SECONDS);
    const alone = { client: 'grpc-js', spread: 'all stocks', connections: 1, inFlight: 1, seconds } as const;
    await this.#sell(alone);
    for (let round = 1; round <= this.options.rounds; round++) {
      const p50Ms = (await this.environment.pgbench?.run('all stocks', 1, seconds, true))?.p50Ms;
      if (p50Ms !== undefined) naive.push(p50Ms);
      sells.push((await this.#sell(alone)).p50Ms);
    }
    const pgbenchP50Ms = naive.length === 0 ? null : median(naive);
    const sellP50Ms = median(sells);
    this.progress(`a lone client: p50 of Sell ${sellP50Ms.toFixed(2)} ms`);
    return { pgbenchP50Ms, sellP50Ms, ratio: pgbenchP50Ms === null ? null : sellP50Ms / pgbenchP50Ms };
  }

  async #besides(): Promise<QuickResult['besides']> {
    const { seconds } = this.options;
    const besides: QuickResult['besides'] = [];
    const add = (name: string, result: LoadResult) => {
      const { p50Ms, cpuSeconds } = result;
      besides.push({ name, perSecond: rateOf(result), p50Ms, loadCpus: cpuSeconds / result.seconds });
      this.progress(`${name}: ${perSecond(rateOf(result))}`);
    };
    for (const spread of ['one product', 'all stocks'] as const) {
      const sell = await this.#sell({ client: 'grpc-js', spread, inFlight: 128, seconds });
      add(`Sell, ${spread}, 128 in flight, called with grpc-js`, sell);
    }
    add(
      'Get, all stocks, 128 in flight',
      await this.#load({ rpc: 'get', spread: 'all stocks', inFlight: 128, seconds }),
    );
    return besides;
  }

  async #naive(spread: Spread, clients: number, seconds: number): Promise<number | undefined> {
    return (await this.environment.pgbench?.run(spread, clients, seconds))?.perSecond;
  }

  /** Sells, then compares what was acknowledged with the event log, and the event log with the stocks. */
  async #sell(plan: Omit<RunPlan, 'rpc'>): Promise<LoadResult> {
    const result = await this.#load({ ...plan, rpc: 'sell' });
    this.#sales += result.answers;
    await this.#compare('Onhand', ONHAND_DATABASE, this.#sales);
    return result;
  }

  async #load(plan: RunPlan): Promise<LoadResult> {
    const { load, service } = this.environment;
    const defaults = { client: 'wire', connections: CONNECTIONS } as const;
    const result = await load.run({ ...defaults, ...plan, address: service.grpcAddress });
    if (result.errors > 0) throw new Error(`${result.errors} calls failed: see the service's log`);
    return result;
  }

  async #checkPgbench(): Promise<number> {
    const { pgbench } = this.environment;
    if (pgbench === undefined) return 0;
    await this.#compare('pgbench', NAIVE_DATABASE, pgbench.transactions);
    return pgbench.transactions;
  }

  async #compare(side: string, database: string, acknowledged: number): Promise<void> {
    const { sales, wrongStocks } = await audit(this.environment.server, database);
    if (sales !== acknowledged) {
      throw new Error(`${side}: ${acknowledged} sales were acknowledged, the event log has ${sales}`);
    }
    if (wrongStocks > 0)
      throw new Error(`${side}: ${wrongStocks} stocks differ from the sum of their events`);
  }
}

type RunPlan = Omit<LoadPlan, 'address' | 'client' | 'connections'> &
  Partial<Pick<LoadPlan, 'client' | 'connections'>>;

const rateOf = (result: LoadResult): number => result.answers / result.seconds;
const perSecond = (rate: number): string => `${Math.round(rate).toLocaleString('en-US')} /s`;
const beside = (rate: number | undefined): string =>
  rate === undefined ? '' : `pgbench ${perSecond(rate)}, `;

function summary(results: readonly LoadResult[]): Omit<Case['onhand'], 'inFlight'> {
  const rates = results.map(rateOf);
  return {
    rates,
    median: median(rates),
    p50Ms: median(results.map((result) => result.p50Ms)),
    p99Ms: median(results.map((result) => result.p99Ms)),
    loadCpus: median(results.map((result) => result.cpuSeconds / result.seconds)),
  };
}
