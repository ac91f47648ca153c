import { v7 as uuidv7 } from 'uuid';
import { poll } from '../dev/poll.js';
import { withConnection } from '../dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../dev/test-database.js';
import type { Command, Outcome, StockKey } from '../domain/types.js';
import { LEDGER_SESSION_SETTINGS, Ledger } from '../ledger/ledger.js';
import { Cluster } from '../postgres/cluster.js';
import { DatabaseReads, type ReadOptions } from './database-reads.js';
import { LocalCache } from './local-cache.js';
import { ReadPath } from './read-path.js';
import { StockCaches } from './stock-caches.js';

const LIMITS = { max: 4, min: 0, idleMs: 10_000, lifetimeMs: 60_000 };
const NO_OBSERVER = { batchCommitted: () => undefined, retried: () => undefined, failed: () => undefined };
export const NO_READ_OBSERVER = { answered: () => undefined, fellBack: () => undefined };
const PATIENCE_MS = 10_000;

const inFiveSeconds = (): number => performance.now() + 5_000;
export const byDefault = (): ReadOptions => ({ strong: false, deadlineMs: inFiveSeconds() });
export const strongly = (): ReadOptions => ({ strong: true, deadlineMs: inFiveSeconds() });

/** For tests: a cluster of these servers whose heartbeat runs. */
export async function openTestCluster(primaryUrl: string, replicaUrls: readonly string[]): Promise<Cluster> {
  const cluster = new Cluster({
    urls: [primaryUrl, ...replicaUrls],
    limits: LIMITS,
    writeSettings: LEDGER_SESSION_SETTINGS,
    onError: () => undefined,
  });
  await cluster.start();
  return cluster;
}

/** For tests: what reads do when no cache has anything. */
export const readsWithoutCaches = (
  cluster: Cluster,
  database = new DatabaseReads(cluster, NO_READ_OBSERVER),
): ReadPath => new ReadPath(database, new StockCaches(new LocalCache(0), undefined), NO_READ_OBSERVER);

/** For tests: answers of the database that have been read, and are on their way for as long as the test wants. */
export class HeldReads extends DatabaseReads {
  readonly #held: (() => void)[] = [];

  get held(): number {
    return this.#held.length;
  }

  override async get(...question: Parameters<DatabaseReads['get']>): ReturnType<DatabaseReads['get']> {
    return await this.#hold(await super.get(...question));
  }

  override async batchGet(
    ...question: Parameters<DatabaseReads['batchGet']>
  ): ReturnType<DatabaseReads['batchGet']> {
    return await this.#hold(await super.batchGet(...question));
  }

  release(): void {
    for (const release of this.#held.splice(0)) release();
  }

  async #hold<T>(answer: T): Promise<T> {
    await new Promise<void>((resolve) => this.#held.push(resolve));
    return answer;
  }
}

/** For tests: the read side over a real primary and replica, and a ledger to have something to read. */
export class StartedReads {
  readonly reads: ReadPath;
  readonly #ledger: Ledger;

  private constructor(
    readonly database: TestDatabase,
    readonly cluster: Cluster,
  ) {
    this.reads = readsWithoutCaches(cluster);
    const bounds = { lanes: 2, batchLanes: 1, syncLanes: 1, queueLimit: 10_000, batchLimit: 100 };
    this.#ledger = new Ledger({ writes: () => cluster.writes, ...bounds, observer: NO_OBSERVER });
  }

  static async start(): Promise<StartedReads> {
    const database = await createTestDatabase();
    return new StartedReads(database, await openTestCluster(database.url, [database.replicaUrl]));
  }

  async stop(): Promise<void> {
    await this.#ledger.drain();
    await this.cluster.close();
    await this.database.drop();
  }

  /** Runs a command with these fields; a RESTOCK of 1 where they say nothing else. */
  submit(fields: StockKey & Partial<Command>): Promise<Outcome> {
    const command: Command = {
      type: 'RESTOCK',
      quantity: 1,
      eventId: uuidv7(),
      occurredTimeUs: undefined,
      operationReason: undefined,
      actor: 'test',
      origin: 'SYSTEM',
      metadata: {},
      ...fields,
    };
    return this.#ledger.submit(command, inFiveSeconds());
  }

  /** Restocks, and gives the stock's new version. */
  async restock(key: StockKey, quantity: number): Promise<bigint> {
    const outcome = await this.submit({ ...key, quantity });
    if (outcome.kind !== 'DECIDED') throw new Error(outcome.kind);
    return outcome.event.version;
  }

  /** Runs `work` while the replica takes nothing in. */
  async whileReplicaStands(work: () => Promise<void>): Promise<void> {
    await this.#onReplica('SELECT pg_wal_replay_pause()');
    const state = async () =>
      (await this.#onReplica('SELECT pg_get_wal_replay_pause_state() AS state')).rows[0].state;
    try {
      await until(async () => (await state()) === 'paused');
      await work();
    } finally {
      await this.#onReplica('SELECT pg_wal_replay_resume()');
    }
  }

  /** Waits until the replica answers by default for a stock that exists. */
  async untilReplicaAnswers(key: StockKey): Promise<void> {
    await until(async () => (await this.reads.get(key, 0n, byDefault())).source === 'REPLICA');
  }

  #onReplica(statement: string) {
    return withConnection(this.database.replicaUrl, (client) => client.query(statement));
  }
}

/** For tests: waits, within bounds, until the condition holds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const held = await poll(async () => (await condition()) || undefined, PATIENCE_MS);
  if (held === undefined) throw new Error(`It did not come to pass within ${PATIENCE_MS} ms: ${condition}`);
}
