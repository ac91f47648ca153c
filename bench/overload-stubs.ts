import { setTimeout as pause } from 'node:timers/promises';
import { SellRequest } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { type Ending, OpenLoopConnection } from './open-loop-connection.js';
import { OverloadCounts } from './overload-counts.js';
import { serveOverloadPlans, whenDue } from './overload-load.js';
import type { OverloadOutcome, OverloadPlan } from './overload-plan.js';
import { nextSell } from './requests.js';

/** A load process of `overload`: sells as programs with gRPC stubs do. */

const PATH = '/inventory.v1.InventoryService/Sell';
const KINDS = { REFUSED: 'refusedThere', LATE: 'late' } as const;

async function run(plan: OverloadPlan): Promise<OverloadOutcome> {
  const { address, deadlineMs, load } = plan;
  const sale = () => SellRequest.encode(nextSell('all stocks')).finish();
  const connect = () => new OpenLoopConnection({ address, path: PATH, deadlineMs }, sale);
  const connections = Array.from({ length: plan.connections }, connect);
  const counts = new OverloadCounts(plan);
  let calls = 0;
  const send = (dueMs: number, then: () => void = () => undefined) => {
    const counted = counts.begin(dueMs);
    const ended = (ending: Ending) => {
      counted(ending === 'DONE' ? 'done' : KINDS[ending]);
      then();
    };
    connections[calls++ % connections.length]!.push({ dueMs, ended });
  };
  const flush = () => {
    for (const one of connections) one.flush();
  };
  if ('perSecond' in load) await whenDue(load.perSecond, counts, send, flush);
  else await inTurn(load.inFlight, counts, send, flush);
  while (counts.underWay > 0) {
    flush();
    await pause(10);
  }
  for (const one of connections) one.close();
  return counts.outcome();
}

type Send = (dueMs: number, then?: () => void) => void;

async function inTurn(
  inFlight: number,
  counts: OverloadCounts,
  send: Send,
  flush: () => void,
): Promise<void> {
  const again = () => {
    if (performance.now() < counts.endMs) send(performance.now(), again);
  };
  for (let caller = 0; caller < inFlight; caller++) again();
  while (performance.now() < counts.endMs) {
    flush();
    await pause(1);
  }
}

serveOverloadPlans(run);
