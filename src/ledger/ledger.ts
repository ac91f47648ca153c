import type { MovementCommand } from '../domain/decide.js';
import { InventoryError } from '../domain/errors.js';
import type { Outcome } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import type { LaneObserver } from './lane.js';
import { Lane } from './lane.js';

export interface LedgerOptions {
  readonly pool: Pool;
  /** How many transactions may run at once. Each key always goes to the same lane. */
  readonly lanes: number;
  /** Commands that may wait in one lane. */
  readonly queueLimit: number;
  /** Commands in one transaction. */
  readonly batchLimit: number;
  readonly observer: LaneObserver;
}

/** Session settings for the write pool: a plan made on empty tables would otherwise stay a scan for ever. */
export const LEDGER_SESSION_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
} as const;

/** The write side: takes commands, answers when their outcome is durable. */
export class Ledger {
  readonly #lanes: Lane[];
  #draining = false;

  constructor(options: LedgerOptions) {
    this.#lanes = Array.from({ length: options.lanes }, () => new Lane(options));
  }

  /** Commands that wait, over all lanes. */
  get queueLength(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.length, 0);
  }

  /**
   * Decides the command and makes the outcome durable before it resolves.
   *
   * @param deadlineMs on the clock of performance.now(); a command that still waits then is dropped, one that has been
   *   started is not.
   * @throws InventoryError QUEUE_FULL, SHUTTING_DOWN, DEADLINE_EXCEEDED, DATABASE_UNAVAILABLE (nothing changed),
   *   OUTCOME_UNKNOWN (ask again with the same event id), INTERNAL.
   */
  submit(command: MovementCommand, deadlineMs: number): Promise<Outcome> {
    if (this.#draining) {
      return Promise.reject(new InventoryError('SHUTTING_DOWN', 'This process is about to stop; try again'));
    }
    return new Promise((resolve, reject) => {
      this.#laneOf(command).add({ command, deadlineMs, resolve, reject });
    });
  }

  /** Takes no more commands; resolves when those taken have their answers. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.all(this.#lanes.map((lane) => lane.idle()));
  }

  #laneOf(command: MovementCommand): Lane {
    return this.#lanes[hash(command.storeId, command.productId) % this.#lanes.length]!;
  }
}

/** FNV-1a over both ids: cheap, and spreads neighbouring ids. */
function hash(storeId: string, productId: string): number {
  let value = 0x811c9dc5;
  for (const id of [storeId, productId]) {
    for (let i = 0; i < id.length; i++) value = Math.imul(value ^ id.charCodeAt(i), 0x01000193);
  }
  return value >>> 0;
}
