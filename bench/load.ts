import { runGrpcJsClient } from './grpc-js-client.js';
import type { LoadPlan } from './load-plan.js';
import { runWireClient } from './wire-client.js';

/**
 * The load process: a child of the benchmark, apart from the service and kept for all rounds, so that its code is as
 * warm as the service's. Each message it gets is a plan, each one it sends the result, or why there is none.
 */

async function run(plan: LoadPlan): Promise<void> {
  const tally = await (plan.client === 'wire' ? runWireClient(plan) : runGrpcJsClient(plan));
  process.send?.({ result: tally.result() });
}

process.on('message', (plan: LoadPlan) => {
  run(plan).catch((error: unknown) => {
    process.send?.({ problem: error instanceof Error ? error.message : String(error) });
  });
});
process.on('disconnect', () => process.exit());
