import { setTimeout as pause } from 'node:timers/promises';
import type { InventoryServiceClient } from '../../src/gen/grpc/inventory/v1/inventory_service.js';
import { JournalWriter, monotonicMs } from './journal.js';
import { type Call, callAt, type LoadPlan } from './load-plan.js';
import { type Answer, connect, perform } from './service-calls.js';
import { noTotals } from './totals.js';

/**
 * The load client: a process of its own, which goes on whatever happens to the service and writes every attempt and
 * every answer into its journal. Arguments: the plan as JSON, and the journal's path. It tells its parent how far it is,
 * stops when told to (or when the plan's time is over), waits for the last answers, and ends.
 */

const PROGRESS_EVERY_MS = 50;
const TICK_MS = 5;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;
const MAY_PASS = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'ABORTED', 'CANCELLED']);

class LoadRun {
  readonly #clients: InventoryServiceClient[][];
  readonly totals = noTotals();
  readonly #endMs: number;
  #next = 0;
  #stopped = false;

  constructor(
    private readonly plan: LoadPlan,
    private readonly journal: JournalWriter,
  ) {
    this.#clients = plan.addresses.map((address) =>
      Array.from({ length: plan.connections }, () => connect(address)),
    );
    this.#endMs = performance.now() + plan.seconds * 1000;
  }

  /** Resolves when the load has ended and every call has its answer. */
  async run(): Promise<void> {
    const { load } = this.plan;
    if ('inFlight' in load) await Promise.all(Array.from({ length: load.inFlight }, () => this.#inTurn()));
    else await this.#atRate(load.perSecond);
    for (const client of this.#clients.flat()) client.close();
  }

  stop(): void {
    this.#stopped = true;
  }

  get #over(): boolean {
    return this.#stopped || performance.now() >= this.#endMs;
  }

  async #inTurn(): Promise<void> {
    while (!this.#over) await this.#call(this.#next++);
  }

  async #atRate(perSecond: number): Promise<void> {
    const startMs = performance.now();
    const running = new Set<Promise<void>>();
    while (!this.#over) {
      const due = ((performance.now() - startMs) / 1000) * perSecond;
      while (this.#next < due) {
        const call = this.#call(this.#next++).finally(() => running.delete(call));
        running.add(call);
      }
      await pause(TICK_MS);
    }
    await Promise.all(running);
  }

  /** Makes one call, again where that may help, until it is decided or given up. */
  async #call(index: number): Promise<void> {
    const { tries = 1, deadlineMs } = this.plan;
    const call = callAt(this.plan, index);
    let pauseMs = FIRST_PAUSE_MS;
    for (let tried = 1; ; tried++) {
      this.#sent(index, tried, call);
      const answer = await perform(this.#clientFor(index, tried), call, deadlineMs);
      this.#settled(index, answer);
      if ('results' in answer) return;
      const again = tried < tries && MAY_PASS.has(answer.failure.code);
      if (!again) {
        this.totals.failed++;
        return;
      }
      await pause(Math.max(pauseMs, answer.failure.retryDelayMs ?? 0));
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  #clientFor(index: number, tried: number): InventoryServiceClient {
    const service = (index + tried - 1) % this.#clients.length;
    const connections = this.#clients[service]!;
    return connections[Math.floor(index / this.#clients.length) % connections.length]!;
  }

  #sent(call: number, tried: number, what: Call): void {
    this.totals.sent++;
    this.journal.write({ sent: monotonicMs(), call, try: tried, ...(tried === 1 && { what }) });
  }

  #settled(call: number, answer: Answer): void {
    if ('failure' in answer) {
      this.journal.write({ failed: monotonicMs(), call, failure: answer.failure });
      this.totals.failedTries++;
      const { code, reason } = answer.failure;
      const name = `${code} ${reason}`.trim();
      this.totals.failures[name] = (this.totals.failures[name] ?? 0) + 1;
      return;
    }
    this.journal.write({ answered: monotonicMs(), call, results: answer.results });
    for (const { accepted } of answer.results) this.totals[accepted ? 'accepted' : 'refused']++;
  }
}

async function main([plan = '', journalPath = '']: readonly string[]): Promise<void> {
  const journal = new JournalWriter(journalPath);
  const run = new LoadRun(JSON.parse(plan) as LoadPlan, journal);
  process.on('message', () => run.stop());
  // Whoever started us is gone: nobody will read the journal.
  process.on('disconnect', () => process.exit(1));
  // Its failure means that whoever started us is gone, which `disconnect` tells too.
  const tell = () => process.send?.(run.totals, () => undefined);
  const progress = setInterval(tell, PROGRESS_EVERY_MS);
  await run.run();
  clearInterval(progress);
  journal.close();
  process.send?.(run.totals, () => process.exit(0));
}

await main(process.argv.slice(2));
