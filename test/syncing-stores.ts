import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Consistency, connect, type Onhand, type SyncUpdate } from '@onhand/client';
import { type Deed, SimulatedStore } from '../bench/stores/simulated-store.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { LastingService } from './lasting-service.js';
import { until } from './until.js';

const PATIENCE_MS = 30_000;

/** A store that syncs. */
export interface Running {
  readonly store: SimulatedStore;
  /** All kinds of updates that came. */
  readonly kinds: SyncUpdate['kind'][];
  /** Why its sync ended. */
  readonly ended: Promise<unknown>;
  end(): Promise<void>;
}

/** Stores in this process that sync by the client's package, each with its log in a file. */
export class StoresInProcess {
  readonly #folder = mkdtempSync(join(tmpdir(), 'onhand-stores-'));
  readonly #running: Running[] = [];

  constructor(readonly onhand: Onhand) {}

  async stop(): Promise<void> {
    await this.endAll();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async endAll(): Promise<void> {
    for (const one of this.#running.splice(0)) await one.end();
  }

  /** A new store's id and file. */
  named(): { storeId: string; path: string } {
    const storeId = `S-${randomUUID().slice(0, 8)}`;
    return { storeId, path: join(this.#folder, storeId) };
  }

  async run(storeId: string, path: string): Promise<Running> {
    const store = await SimulatedStore.open(storeId, path);
    const kinds: SyncUpdate['kind'][] = [];
    store.onUpdate(({ kind }) => kinds.push(kind));
    const ending = new AbortController();
    const ended = store.sync(this.onhand, ending.signal).catch((error: unknown) => error);
    const one: Running = {
      ...{ store, kinds, ended },
      end: async () => {
        ending.abort();
        await ended;
        await store.close();
      },
    };
    this.#running.push(one);
    return one;
  }

  async end(one: Running): Promise<void> {
    this.#running.splice(this.#running.indexOf(one), 1);
    await one.end();
  }

  /** What a store does while it has no line. */
  async offline(storeId: string, path: string, ...deeds: readonly Deed[]): Promise<void> {
    const store = await SimulatedStore.open(storeId, path);
    await store.does(...deeds);
    await store.close();
  }

  async centralOf(storeId: string): Promise<Record<string, number>> {
    const central: Record<string, number> = {};
    for await (const { stocks } of this.onhand.list({ storeId, consistency: Consistency.STRONG }))
      for (const { productId, quantity, oversold } of stocks) central[productId] = quantity - oversold;
    return central;
  }

  /** All is acknowledged, and the store has the service's stocks. */
  async untilAgreed({ store }: Running): Promise<void> {
    const agreed = async () => {
      if (store.state.pending > 0 || store.state.cursor === '') return false;
      const central = await this.centralOf(store.storeId);
      return JSON.stringify(sorted(store.state.stocks)) === JSON.stringify(sorted(central));
    };
    await until(agreed, 'the store and the service do not agree', PATIENCE_MS);
  }
}

/** Such stores, and a real service with a database of its own. */
export class SyncingStores extends StoresInProcess {
  private constructor(
    readonly database: TestDatabase,
    readonly service: LastingService,
  ) {
    super(connect(service.grpcAddress, { deadlineMs: PATIENCE_MS }));
  }

  static async start(): Promise<SyncingStores> {
    const database = await createTestDatabase();
    return new SyncingStores(database, await LastingService.start(database.url));
  }

  override async stop(): Promise<void> {
    await super.stop();
    this.onhand.close();
    await this.service.stop();
    await this.database.drop();
  }

  /** Events of a store that came out of its log. */
  async syncedEvents(storeId: string): Promise<{ count: number; ids: number }> {
    const { rows } = await withConnection(this.database.url, (client) =>
      client.query<{ count: number; ids: number }>(
        `SELECT count(*)::int AS count, count(DISTINCT event_id)::int AS ids FROM event_log
         WHERE store_id = $1 AND origin = 'SYNC'`,
        [storeId],
      ),
    );
    return rows[0]!;
  }
}

const sorted = (stocks: Readonly<Record<string, number>>) => Object.entries(stocks).sort();

export const sale = (productId: string, quantity: number): Deed => ({ productId, type: 'SALE', quantity });
export const restock = (productId: string, quantity: number): Deed => ({
  ...{ productId, quantity },
  type: 'RESTOCK',
});
