import { randomUUID } from 'node:crypto';
import { poll } from '../dev/poll.js';
import { withConnection } from '../dev/postgres-session.js';
import { Consistency } from '../gen/grpc/inventory/v1/inventory.js';
import { Callers } from './callers.js';
import { type StartedApi, startTestApi } from './started-api.js';

const PATIENCE_MS = 10_000;

/** For tests of Sync: the API in this process, those who call it beside the stores, and what is then in the database. */
export class SyncScene {
  private constructor(
    private readonly started: StartedApi,
    readonly callers: Callers,
  ) {}

  /** With a heartbeat and patience for a hello that tests can wait for. */
  static async start(): Promise<SyncScene> {
    const started = await startTestApi({ heartbeatMs: 300, helloMs: 1_000 });
    return new SyncScene(started, new Callers(started.grpcAddress, started.httpUrl));
  }

  async stop(): Promise<void> {
    this.callers.grpc.close();
    await this.started.stop();
  }

  get databaseUrl(): string {
    return this.started.databaseUrl;
  }

  restock(storeId: string, quantity: number, productId = 'P') {
    const change = { storeId, productId, quantity, eventId: randomUUID(), metadata: {} };
    return this.callers.overGrpc('Restock', change);
  }

  sell(storeId: string, quantity: number, eventId: string = randomUUID(), productId = 'P') {
    return this.callers.overGrpc('Sell', { storeId, productId, quantity, eventId, metadata: {} });
  }

  /** What is on hand, below 0 where more was sold; the reason where there is no such stock. */
  async quantityOf(storeId: string, productId = 'P'): Promise<unknown> {
    const key = { storeId, productId, consistency: Consistency.STRONG, minVersion: 0n };
    const { stock, reason } = await this.callers.overGrpc('Get', key);
    const { quantity, oversold } = (stock ?? {}) as { quantity?: number; oversold?: number };
    return stock === undefined ? reason : (quantity ?? 0) - (oversold ?? 0);
  }

  /** The rows of a store's history, in its order. */
  async eventsOf(storeId: string) {
    const { rows } = await this.query('SELECT * FROM event_log WHERE store_id = $1 ORDER BY seq', [storeId]);
    return rows;
  }

  /** Waits until exactly so many sessions wait for a lock. */
  async untilWaiting(sessions: number): Promise<void> {
    const wait = async () => {
      const { rows } = await this.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length === sessions || undefined;
    };
    if ((await poll(wait, PATIENCE_MS, 5)) === undefined)
      throw new Error(`There are not ${sessions} that wait.`);
  }

  query(text: string, values: readonly unknown[] = []) {
    return withConnection(this.databaseUrl, (client) => client.query(text, [...values]));
  }
}

/** A store of its own. */
export const newStore = (): string => `store-${randomUUID()}`;
