import { join } from 'node:path';
import { Consistency, type Onhand } from '@onhand/client';
import { SeededRandom } from '../../test/feed/seeded-random.js';
import { StoreProcess } from './store-process.js';
import { UnreliableLine } from './unreliable-line.js';

export interface FleetPlan {
  /** Of the service. */
  readonly address: string;
  readonly stores: number;
  /** Store ids are this and a number. */
  readonly prefix: string;
  /** Where the stores have their files. */
  readonly folder: string;
  readonly seed: number;
  /** Deeds of each store: a second, and in all. */
  readonly perSecond: number;
  readonly limit: number;
}

/** A store and its line. */
export interface FleetStore {
  readonly process: StoreProcess;
  readonly line: UnreliableLine;
}

/** Where a store and the service differ. */
export interface Difference {
  readonly storeId: string;
  readonly productId: string;
  readonly local: number | undefined;
  readonly central: number | undefined;
}

/** Simulated stores, each with a line of its own. */
export class StoreFleet {
  private constructor(readonly stores: readonly FleetStore[]) {}

  static async start(plan: FleetPlan): Promise<StoreFleet> {
    const stores: FleetStore[] = [];
    for (let share = 0; share < plan.stores; share++) {
      const storeId = `${plan.prefix}${String(share + 1).padStart(2, '0')}`;
      const line = await UnreliableLine.start(plan.address, new SeededRandom(plan.seed * 1_000 + share));
      const { stores: count, perSecond, limit } = plan;
      const path = join(plan.folder, `${storeId}.log`);
      const work = { share, stores: count, perSecond, limit };
      stores.push({ line, process: new StoreProcess({ storeId, address: line.address, path, ...work }) });
    }
    return new StoreFleet(stores);
  }

  get storeIds(): string[] {
    return this.stores.map(({ process }) => process.plan.storeId);
  }

  /** The stores' logs. */
  get files(): { readonly storeId: string; readonly path: string }[] {
    return this.stores.map(({ process: { plan } }) => plan);
  }

  /** Operations that are acknowledged, as far as the stores know. */
  get acknowledged(): number {
    return this.stores.reduce((sum, { process }) => sum + process.durable, 0);
  }

  /** Why a store's sync has ended, where one has. */
  get failures(): string[] {
    return this.stores.flatMap(({ process }) => process.report?.failure || []);
  }

  /** All have told something. */
  get areRunning(): boolean {
    return this.stores.every(({ process }) => process.report !== undefined);
  }

  /** All have done all that they will, and all of it is durable. */
  get areDone(): boolean {
    return this.stores.every(({ process }) => process.isDone);
  }

  beginCuts(): void {
    for (const { line } of this.stores) line.begin();
  }

  settleLines(): void {
    for (const { line } of this.stores) line.settle();
  }

  /** Every stock that a store knows otherwise than the service. */
  async differences(onhand: Onhand): Promise<Difference[]> {
    const found = await Promise.all(this.stores.map(({ process }) => differencesOf(process, onhand)));
    return found.flat();
  }

  async stop(): Promise<void> {
    await Promise.all(this.stores.map(({ process }) => process.stop()));
    await Promise.all(this.stores.map(({ line }) => line.stop()));
  }
}

async function differencesOf(store: StoreProcess, onhand: Onhand): Promise<Difference[]> {
  const { storeId } = store.plan;
  const central = new Map<string, number>();
  for await (const page of onhand.list({ storeId, pageSize: 500, consistency: Consistency.STRONG }))
    for (const { productId, quantity, oversold } of page.stocks) central.set(productId, quantity - oversold);
  const local = new Map(Object.entries(await store.stocks()));
  return [...new Set([...central.keys(), ...local.keys()])]
    .map((productId) => ({
      storeId,
      productId,
      local: local.get(productId),
      central: central.get(productId),
    }))
    .filter((one) => one.local !== one.central);
}
