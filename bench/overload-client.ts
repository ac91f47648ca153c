import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Onhand, OnhandError } from '@onhand/client';
import type { OverloadOutcome, OverloadPlan } from './overload-plan.js';
import { quantile } from './statistics.js';
import { nextStock } from './stocks.js';

/** The load process of `overload`: sells with the client that callers have. Each message is a plan; it sends the outcome. */

const TICK_MS = 4;

class Outcomes {
  readonly #latenciesMs: number[] = [];
  readonly #refusalsMs: number[] = [];
  readonly #failures = { there: 0, here: 0, late: 0 };
  #offered = 0;
  #underWay = 0;

  constructor(
    private readonly onhand: Onhand,
    /** Sales that are due before are not counted. */
    private readonly countsFromMs: number,
  ) {}

  async sell(dueMs: number): Promise<void> {
    const counts = dueMs >= this.countsFromMs;
    if (counts) this.#offered++;
    this.#underWay++;
    try {
      await this.onhand.sell({ ...nextStock('all stocks'), quantity: 1 });
      if (counts) this.#latenciesMs.push(performance.now() - dueMs);
    } catch (error) {
      if (counts) this.#countFailure(kindOf(error), performance.now() - dueMs);
    }
    this.#underWay--;
  }

  #countFailure(kind: 'there' | 'here' | 'late', tookMs: number): void {
    this.#failures[kind]++;
    if (kind !== 'late') this.#refusalsMs.push(tookMs);
  }

  async end(seconds: number, loadCpus: number): Promise<OverloadOutcome> {
    while (this.#underWay > 0) await pause(TICK_MS);
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    const refusals = Float64Array.from(this.#refusalsMs).sort();
    const { there: refusedThere, here: refusedHere, late } = this.#failures;
    return {
      ...{ seconds, offered: this.#offered, done: sorted.length, refusedThere, refusedHere, late },
      ...{ p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) },
      ...{ refusalP50Ms: quantile(refusals, 0.5), loadCpus },
    };
  }
}

/** @throws what is no sign of overload. */
function kindOf(error: unknown): 'there' | 'here' | 'late' {
  if (!(error instanceof OnhandError)) throw error;
  if (error.reason === 'DEADLINE_EXCEEDED' || error.reason === 'UNREACHABLE') return 'late';
  if (error.reason !== 'QUEUE_FULL') throw error;
  return error.local ? 'here' : 'there';
}

async function run(plan: OverloadPlan): Promise<OverloadOutcome> {
  const { address, connections, deadlineMs, limited, warmUpSeconds, seconds } = plan;
  const onhand = connect(address, { connections, deadlineMs, limit: limited ? {} : false });
  await onhand.ready();
  const startedMs = performance.now();
  const countsFromMs = startedMs + 1_000 * warmUpSeconds;
  const endMs = countsFromMs + 1_000 * seconds;
  const outcomes = new Outcomes(onhand, countsFromMs);
  const cpu = process.cpuUsage();
  if ('inFlight' in plan.load) await inTurn(outcomes, plan.load.inFlight, endMs);
  else await whenDue(outcomes, plan.load.perSecond, startedMs, endMs);
  const { user, system } = process.cpuUsage(cpu);
  const outcome = await outcomes.end(seconds, (user + system) / 1e6 / (warmUpSeconds + seconds));
  onhand.close();
  return outcome;
}

async function inTurn(outcomes: Outcomes, inFlight: number, endMs: number): Promise<void> {
  const caller = async () => {
    for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) await outcomes.sell(nowMs);
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
}

async function whenDue(
  outcomes: Outcomes,
  perSecond: number,
  startedMs: number,
  endMs: number,
): Promise<void> {
  const total = Math.floor(((endMs - startedMs) / 1_000) * perSecond);
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1_000) * perSecond));
    for (; sent < due; sent++) void outcomes.sell(startedMs + (1_000 * sent) / perSecond);
    await pause(TICK_MS);
  }
}

process.on('message', (plan: OverloadPlan) => {
  const tell = (answer: object) => process.send?.(answer);
  run(plan).then(
    (result) => tell({ result }),
    (error: unknown) => tell({ problem: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
