import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { type ServiceProcess, startService } from '../test/service-process.js';
import { audit, ONHAND_DATABASE, type ServerSettings } from './databases.js';
import type { EnvironmentStarter } from './environment.js';
import { LoadProcess } from './load-process.js';
import { Neighbours } from './neighbours.js';
import type { OverloadOutcome, OverloadPlan } from './overload-plan.js';

export interface OverloadOptions {
  /** Of each measured run, beside those that are not counted. */
  readonly seconds: number;
}

/** Sales a second, all of them. */
export interface OverloadRun extends Omit<OverloadOutcome, 'seconds'> {
  readonly callers: Callers;
  /** So many times the most that the service did for these callers was asked. */
  readonly times: number;
  /** Of that. */
  readonly share: number;
}

export interface OverloadResult {
  /** Whether the service had one processor to itself and its neighbours, and all else the others. */
  readonly pinned: boolean;
  readonly runs: readonly OverloadRun[];
  readonly settings: ServerSettings;
  /** Sales that were answered as done, and sales in the event log: at least as many, for an answer may have come too late. */
  readonly checks: { readonly done: number; readonly recorded: number };
}

/**
 * Programs with gRPC stubs; and the client for Node.js, which takes as much processor time as the service, so that neighbours
 * leave the service a quarter of its processor: else one client could not ask for more than it can do. In flight is what shows
 * what can be done.
 */
const CASES = [
  { callers: 'client', neighbours: 3, inFlight: 128 },
  { callers: 'stubs', neighbours: 0, inFlight: 512 },
] as const;
type Callers = (typeof CASES)[number]['callers'];
const CONNECTIONS = 30;
const DEADLINE_MS = 2_000;
const TIMES = [1, 1.5, 3, 5];
/** For the service's code to become warm, and the client to learn how the service is. */
const WARM_UP_SECONDS = 10;

/** What is done of what is asked, where the service's own processor is what cannot keep up. */
export async function benchOverload(
  starter: EnvironmentStarter,
  { seconds }: OverloadOptions,
  progress: (line: string) => void,
): Promise<OverloadResult> {
  // The servers and the load, which are started by this process, stay where it is.
  const pinned = availableParallelism() > 1 && pin(process.pid, `1-${availableParallelism() - 1}`);
  const { server, settings } = await starter.startDatabase();
  const databaseUrl = server.url(ONHAND_DATABASE);
  const service = starter.keep(await startService({ databaseUrl }), (one) => one.stop());
  const bench = new Bench(starter, service, seconds, progress);
  const runs: OverloadRun[] = [];
  for (const { callers, neighbours, inFlight } of CASES) {
    const beside = starter.keep(new Neighbours(neighbours), (all) => all.stop());
    if (pinned) for (const pid of [service.pid, ...beside.pids]) pin(pid, '0');
    runs.push(...(await bench.runs(callers, inFlight)));
    beside.stop();
  }
  const { sales, wrongStocks } = await audit(server, ONHAND_DATABASE);
  if (sales < bench.done || wrongStocks > 0)
    throw new Error(
      `${bench.done} sales were done, ${sales} are recorded; ${wrongStocks} stocks differ from their events`,
    );
  return { pinned, runs, settings, checks: { done: bench.done, recorded: sales } };
}

class Bench {
  /** Sales that were answered in time. */
  done = 0;
  readonly #loads: Readonly<Record<Callers, LoadProcess<OverloadPlan, OverloadOutcome>>>;

  constructor(
    starter: EnvironmentStarter,
    private readonly service: ServiceProcess,
    private readonly seconds: number,
    private readonly progress: (line: string) => void,
  ) {
    const loadOf = (program: string) =>
      starter.keep(new LoadProcess<OverloadPlan, OverloadOutcome>(program), (one) => one.stop());
    this.#loads = { stubs: loadOf('overload-stubs'), client: loadOf('overload-client') };
  }

  /** What is done where callers wait for answers, and then where so many times as much is asked, whatever becomes of it. */
  async runs(callers: Callers, inFlight: number): Promise<OverloadRun[]> {
    const inTurn = await this.#run('stubs', { inFlight });
    const perSecond = inTurn.done / inTurn.seconds;
    this.progress(`${callers}: ${Math.round(perSecond)} /s with ${inFlight} calls in flight`);
    const outcomes: OverloadOutcome[] = [];
    for (const times of TIMES) {
      const outcome = await this.#run(callers, { perSecond: times * perSecond });
      this.progress(`${callers}, ${times} x: ${Math.round(outcome.done / outcome.seconds)} /s done`);
      outcomes.push(outcome);
    }
    const most = Math.max(perSecond, ...outcomes.map(({ done }) => done / this.seconds));
    return outcomes.map((outcome) => perSecondOf(outcome, callers, most));
  }

  async #run(callers: Callers, load: OverloadPlan['load']): Promise<OverloadOutcome> {
    const outcome = await this.#loads[callers].run({
      ...{ address: this.service.grpcAddress, connections: CONNECTIONS, deadlineMs: DEADLINE_MS, load },
      ...{ seconds: this.seconds, warmUpSeconds: WARM_UP_SECONDS },
    });
    this.done += outcome.done;
    return outcome;
  }
}

function perSecondOf(outcome: OverloadOutcome, callers: Callers, mostPerSecond: number): OverloadRun {
  const { seconds, p50Ms, p99Ms, refusalP50Ms, loadCpus } = outcome;
  const rates = ['offered', 'done', 'refusedThere', 'refusedHere', 'late'] as const;
  const [offered = 0, done = 0, refusedThere = 0, refusedHere = 0, late = 0] = rates.map(
    (name) => outcome[name] / seconds,
  );
  return {
    ...{ callers, times: offered / mostPerSecond, share: done / mostPerSecond },
    ...{ offered, done, refusedThere, refusedHere, late },
    ...{ p50Ms, p99Ms, refusalP50Ms, loadCpus },
  };
}

/** Keeps a process, with all its threads and those that it starts, on these processors. @returns whether that worked. */
function pin(pid: number, processors: string): boolean {
  return spawnSync('taskset', ['-acp', processors, String(pid)], { stdio: 'ignore' }).status === 0;
}
