import { setTimeout as pause } from 'node:timers/promises';
import type { OverloadCounts } from './overload-counts.js';
import type { OverloadOutcome, OverloadPlan } from './overload-plan.js';

const TICK_MS = 2;

/** Sends so many sales a second when they are due, whatever becomes of those before. */
export async function whenDue(
  perSecond: number,
  { startedMs, endMs }: OverloadCounts,
  send: (dueMs: number) => void,
  afterEach: () => void = () => undefined,
): Promise<void> {
  const total = Math.floor(((endMs - startedMs) / 1_000) * perSecond);
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1_000) * perSecond));
    for (; sent < due; sent++) send(startedMs + (1_000 * sent) / perSecond);
    afterEach();
    await pause(TICK_MS);
  }
}

/** What a load process does: each message is a plan; it sends the outcome, or why there is none. */
export function serveOverloadPlans(run: (plan: OverloadPlan) => Promise<OverloadOutcome>): void {
  process.on('message', (plan: OverloadPlan) => {
    const tell = (answer: object) => process.send?.(answer);
    run(plan).then(
      (result) => tell({ result }),
      (error: unknown) => tell({ problem: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}
