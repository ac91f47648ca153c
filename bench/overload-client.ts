import { setTimeout as pause } from 'node:timers/promises';
import { connect, OnhandError } from '@onhand/client';
import { OverloadCounts, type OverloadKind } from './overload-counts.js';
import { serveOverloadPlans, whenDue } from './overload-load.js';
import type { OverloadOutcome, OverloadPlan } from './overload-plan.js';
import { nextStock } from './stocks.js';

/** A load process of `overload`: sells with the client for Node.js. */

/** @throws what is no sign of overload. */
function kindOf(error: unknown): OverloadKind {
  if (!(error instanceof OnhandError)) throw error;
  if (error.reason === 'DEADLINE_EXCEEDED' || error.reason === 'UNREACHABLE') return 'late';
  if (error.reason !== 'QUEUE_FULL') throw error;
  return error.local ? 'refusedHere' : 'refusedThere';
}

async function run(plan: OverloadPlan): Promise<OverloadOutcome> {
  const { address, connections, deadlineMs, load } = plan;
  if (!('perSecond' in load)) throw new Error('The client is for an open loop');
  const onhand = connect(address, { connections, deadlineMs });
  await onhand.ready();
  const counts = new OverloadCounts(plan);
  const sell = async (dueMs: number) => {
    const ended = counts.begin(dueMs);
    const failed = (error: unknown) => ended(kindOf(error));
    await onhand.sell({ ...nextStock('all stocks'), quantity: 1 }).then(() => ended('done'), failed);
  };
  await whenDue(load.perSecond, counts, (dueMs) => void sell(dueMs));
  while (counts.underWay > 0) await pause(10);
  onhand.close();
  return counts.outcome();
}

serveOverloadPlans(run);
