import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { startService } from '../test/service-process.js';
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
export interface OverloadRun extends Omit<OverloadOutcome, 'seconds'>, Pick<OverloadPlan, 'limited'> {
  /** So many times what the service can do. */
  readonly times: number;
  /** Of what can be done at most. */
  readonly share: number;
}

export interface OverloadResult {
  /** What the service does where no more is asked than it can do. */
  readonly peakPerSecond: number;
  /** Whether the service had a quarter of one processor, and the load and the database all others. */
  readonly pinned: boolean;
  readonly runs: readonly OverloadRun[];
  readonly settings: ServerSettings;
  /** Sales that were answered as done, and sales in the event log: at least as many, for an answer may have come too late. */
  readonly checks: { readonly done: number; readonly recorded: number };
}

/** So that one load process asks more than the service can do: they leave it a quarter of its processor. */
const NEIGHBOURS = 3;
const CONNECTIONS = 30;
const DEADLINE_MS = 2_000;
const PEAK_IN_FLIGHT = 256;
const TIMES = [1, 2, 3];
/** A run that does more than this shows that the peak was none. */
const CREDIBLE_SHARE = 1.15;
/** For the client to learn how the service is, twice over. */
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
  const service = starter.keep(await startService({ databaseUrl: server.url(ONHAND_DATABASE) }), (one) =>
    one.stop(),
  );
  if (pinned) {
    const neighbours = starter.keep(new Neighbours(NEIGHBOURS), (all) => all.stop());
    for (const pid of [service.pid, ...neighbours.pids]) pin(pid, '0');
  }
  const load = starter.keep(new LoadProcess<OverloadPlan, OverloadOutcome>('overload-client'), (one) =>
    one.stop(),
  );
  let done = 0;
  const run = async (plan: Pick<OverloadPlan, 'load' | 'limited'>) => {
    const fixed = {
      address: service.grpcAddress,
      connections: CONNECTIONS,
      deadlineMs: DEADLINE_MS,
      ...{ seconds, warmUpSeconds: WARM_UP_SECONDS },
    };
    const outcome = await load.run({ ...fixed, ...plan });
    done += outcome.done;
    return outcome;
  };
  const peak = await run({ load: { inFlight: PEAK_IN_FLIGHT }, limited: false });
  const peakPerSecond = peak.done / peak.seconds;
  progress(`${Math.round(peakPerSecond)} /s can be done`);
  const runs: OverloadRun[] = [];
  for (const times of TIMES) {
    for (const limited of [false, true]) {
      const outcome = await run({ load: { perSecond: times * peakPerSecond }, limited });
      const one = perSecondOf(outcome, { times, limited, peakPerSecond });
      progress(`${times} x, ${limited ? '' : 'not '}limited: ${Math.round(one.done)} /s done`);
      runs.push(one);
    }
  }
  const most = Math.max(...runs.map(({ share }) => share));
  if (most > CREDIBLE_SHARE)
    throw new Error(
      `INVALID: one run did ${Math.round(100 * most)} % of what was taken for the peak; the machine had other things to do`,
    );
  const { sales, wrongStocks } = await audit(server, ONHAND_DATABASE);
  if (sales < done || wrongStocks > 0)
    throw new Error(
      `${done} sales were done, ${sales} are recorded; ${wrongStocks} stocks differ from their events`,
    );
  return { peakPerSecond, pinned, runs, settings, checks: { done, recorded: sales } };
}

function perSecondOf(
  outcome: OverloadOutcome,
  { times, limited, peakPerSecond }: { times: number; limited: boolean; peakPerSecond: number },
): OverloadRun {
  const { seconds, p50Ms, p99Ms, refusalP50Ms, loadCpus } = outcome;
  const rates = ['offered', 'done', 'refusedThere', 'refusedHere', 'late'] as const;
  const [offered = 0, done = 0, refusedThere = 0, refusedHere = 0, late = 0] = rates.map(
    (name) => outcome[name] / seconds,
  );
  return {
    ...{ times, limited, offered, done, refusedThere, refusedHere, late },
    ...{ p50Ms, p99Ms, refusalP50Ms, loadCpus },
    share: done / peakPerSecond,
  };
}

/** Keeps a process, with all its threads and those that it starts, on these processors. @returns whether that worked. */
function pin(pid: number, processors: string): boolean {
  return spawnSync('taskset', ['-acp', processors, String(pid)], { stdio: 'ignore' }).status === 0;
}
