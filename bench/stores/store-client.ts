import { setTimeout as pause } from 'node:timers/promises';
import { connect, OnhandError } from '@onhand/client';
import type { Deed } from './simulated-store.js';
import { SimulatedStore } from './simulated-store.js';
import { readDeeds } from './store-deeds.js';

/** A store in a process of its own: `node store-client.js <plan>`, told of by its parent. */

export interface StorePlan {
  readonly storeId: string;
  /** Of the service, or of the line that leads there. */
  readonly address: string;
  /** Its file. */
  readonly path: string;
  /** It does the share of this one of so many stores. */
  readonly share: number;
  readonly stores: number;
  /** So many deeds a second, up to `limit` in all; 0 a second: all at once. */
  readonly perSecond: number;
  readonly limit: number;
}

/** How a store is, as it tells its parent. */
export interface StoreReport {
  readonly kind: 'report';
  /** What it has done since it was opened first, and what it will have done in the end. */
  readonly operations: number;
  readonly planned: number;
  readonly pending: number;
  /** Acknowledged to this process. */
  readonly acknowledged: number;
  readonly oldestPendingMs: number | undefined;
  readonly connected: boolean;
  readonly interruptions: number;
  readonly epoch: number;
  /** Why its sync ended, where it did. */
  readonly failure: string;
}

/** The store's own stocks, when its parent asks. */
export interface StoreStocks {
  readonly kind: 'stocks';
  readonly stocks: Readonly<Record<string, number>>;
}

const TICK_MS = 50;
const REPORT_MS = 100;
/** Written at once. */
const CHUNK = 2_000;

async function main(plan: StorePlan): Promise<void> {
  const deeds = ((await readDeeds(plan.stores))[plan.share] ?? []).slice(0, plan.limit);
  const store = await SimulatedStore.open(plan.storeId, plan.path);
  const onhand = connect(plan.address);
  let failure = '';
  const report = (): void => {
    const { operations, pending, oldestPendingMs, epoch } = store.state;
    const { acknowledged, connected, interruptions } = store;
    const message: StoreReport = {
      ...{ kind: 'report', operations, planned: deeds.length, pending, acknowledged, oldestPendingMs },
      ...{ connected, interruptions, epoch, failure },
    };
    process.send?.(message);
  };
  process.on('message', () => {
    report();
    process.send?.({ kind: 'stocks', stocks: store.state.stocks } satisfies StoreStocks);
  });
  // Whoever started it is gone.
  process.on('disconnect', () => process.exit(0));
  setInterval(report, REPORT_MS);
  store.sync(onhand, new AbortController().signal).catch((error: unknown) => {
    failure = error instanceof OnhandError ? error.reason : String(error);
  });
  await work(store, deeds, plan.perSecond);
}

/** Goes on after what the file says was done. */
async function work(store: SimulatedStore, deeds: readonly Deed[], perSecond: number): Promise<void> {
  const startedMs = performance.now();
  const first = store.state.operations;
  for (let next = first; next < deeds.length; ) {
    const due =
      perSecond === 0
        ? next + CHUNK
        : first + Math.floor(((performance.now() - startedMs) * perSecond) / 1_000);
    if (due > next) await store.does(...deeds.slice(next, due));
    next = store.state.operations;
    if (perSecond > 0) await pause(TICK_MS);
  }
}

await main(JSON.parse(process.argv[2] ?? '') as StorePlan);
