import { v7 as uuidV7 } from 'uuid';
import type { Command } from '../domain/types.js';
import { createPool, type Pool } from '../postgres/pool.js';
import { LEDGER_SESSION_SETTINGS, Ledger } from './ledger.js';

/** For tests: connections as the ledger has them. */
export const openLedgerPool = (url: string): Pool =>
  createPool({
    ...{ url, name: 'test', settings: LEDGER_SESSION_SETTINGS, pipeline: true, onError: () => undefined },
    limits: { max: 8, min: 0, idleMs: 10_000, lifetimeMs: 600_000 },
  });

export interface SceneOptions {
  readonly queueLimit?: number;
  readonly batchLimit?: number;
  /** Told why a batch is run again. */
  readonly retried?: (cause: string) => void;
  /** Told of each transaction that has changed something. */
  readonly committed?: (commands: number, seconds: number) => void;
}

/** For tests: a ledger with one lane of each kind. */
export function openLedger(pool: Pool, options: SceneOptions = {}): Ledger {
  const { queueLimit = 1_000, batchLimit = 100 } = options;
  const { retried = () => undefined, committed = () => undefined } = options;
  return new Ledger({
    ...{ writes: () => pool, lanes: 1, batchLanes: 1, syncLanes: 1, queueLimit, batchLimit },
    observer: { batchCommitted: committed, retried, failed: () => undefined },
  });
}

/** For tests: a command with an event id of its own. */
export const command = (
  type: Command['type'],
  productId: string,
  quantity: number,
  more: Partial<Command> = {},
): Command => ({
  ...{ storeId: 'S', productId, eventId: uuidV7(), type, quantity },
  ...{ occurredTimeUs: undefined, operationReason: undefined, actor: 'test', origin: 'SYSTEM', metadata: {} },
  ...more,
});
