import { setTimeout as delay } from 'node:timers/promises';
import type { MovementCommand } from '../domain/decide.js';
import { InventoryError } from '../domain/errors.js';
import type { Outcome } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import { classifyFailure } from '../postgres/sql-errors.js';
import { BatchFailure, runBatch } from './batch.js';

/** A command that waits for its outcome. `deadlineMs` is on the clock of performance.now(). */
export interface Pending {
  readonly command: MovementCommand;
  readonly deadlineMs: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: InventoryError) => void;
}

/** What a lane tells about itself while it works. */
export interface LaneObserver {
  batchCommitted(commands: number, seconds: number): void;
  retried(cause: string): void;
  failed(error: unknown): void;
}

export interface LaneOptions {
  readonly pool: Pool;
  readonly queueLimit: number;
  readonly batchLimit: number;
  readonly observer: LaneObserver;
}

const TRIES = 3;
const FIRST_PAUSE_MS = 100;
/** Another process can be first with an event id only once per id; more than this is not that. */
const EVENT_ID_RERUNS = 10;

/**
 * Serves the commands of some keys in arrival order, many at a time: whenever the last transaction is done, one new
 * transaction takes all that is queued. No timer delays anything; load makes the batches.
 */
export class Lane {
  #queue: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(private readonly options: LaneOptions) {}

  get length(): number {
    return this.#queue.length;
  }

  /** Queues a command, or refuses it at once where too many wait. */
  add(pending: Pending): void {
    if (this.#queue.length >= this.options.queueLimit) {
      const message = `${this.options.queueLimit} commands wait already; try again later, with the same event id`;
      pending.reject(new InventoryError('QUEUE_FULL', message, { retryDelayMs: 100 }));
      return;
    }
    this.#queue.push(pending);
    // Not before this turn of the event loop has delivered all the commands that arrived together.
    this.#running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#drain());
  }

  /** Resolves when every command that was queued has its answer. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#take();
      if (batch.length > 0) await this.#settle(batch);
    }
    this.#running = undefined;
  }

  /** The next commands; those whose deadline has passed are dropped here, before they start, and never later. */
  #take(): Pending[] {
    const taken = this.#queue.splice(0, this.options.batchLimit);
    const now = performance.now();
    return taken.filter((pending) => {
      if (pending.deadlineMs > now) return true;
      pending.reject(
        new InventoryError(
          'DEADLINE_EXCEEDED',
          'The deadline passed while the command waited; it was not run',
        ),
      );
      return false;
    });
  }

  /** Runs the batch until every command has its outcome or an error. Never throws. */
  async #settle(batch: Pending[]): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    let unknown = false;
    for (let tries = 1, reruns = 0; ; ) {
      const failure = await this.#attempt(batch);
      if (failure === undefined) return;
      unknown ||= failure.unknown;
      const kind = classifyFailure(failure.cause);
      this.options.observer.retried(kind);
      if (kind === 'EVENT_ID_TAKEN' && reruns++ < EVENT_ID_RERUNS) continue;
      if (kind === 'OTHER' && batch.length > 1) return this.#halve(batch);
      if (kind === 'OTHER' || tries++ >= TRIES) return this.#giveUp(batch, failure, unknown);
      await delay(pauseMs * (0.5 + Math.random()));
      pauseMs *= 2;
    }
  }

  async #attempt(batch: Pending[]): Promise<BatchFailure | undefined> {
    const startedMs = performance.now();
    try {
      const outcomes = await runBatch(
        this.options.pool,
        batch.map((pending) => pending.command),
      );
      this.options.observer.batchCommitted(batch.length, (performance.now() - startedMs) / 1000);
      batch.forEach((pending, index) => {
        pending.resolve(outcomes[index]!);
      });
      return undefined;
    } catch (error) {
      return error instanceof BatchFailure ? error : new BatchFailure(error, false);
    }
  }

  /** Something in the batch itself cannot be done: halves find it, so that it fails alone. */
  async #halve(batch: Pending[]): Promise<void> {
    const middle = Math.ceil(batch.length / 2);
    await this.#settle(batch.slice(0, middle));
    await this.#settle(batch.slice(middle));
  }

  #giveUp(batch: Pending[], failure: BatchFailure, unknown: boolean): void {
    this.options.observer.failed(failure.cause);
    for (const { command, reject } of batch) {
      reject(errorFor(command, failure.cause, unknown));
    }
  }
}

function errorFor(command: MovementCommand, cause: unknown, unknown: boolean): InventoryError {
  const metadata = { event_id: command.eventId };
  if (unknown) {
    const message =
      'The answer of the database was lost: ask again with the same event id, it takes effect at most once';
    return new InventoryError('OUTCOME_UNKNOWN', message, { metadata, cause });
  }
  if (classifyFailure(cause) === 'OTHER')
    return new InventoryError('INTERNAL', 'Internal error', { metadata, cause });
  const message = 'The database cannot be reached; nothing was changed. Try again with the same event id';
  return new InventoryError('DATABASE_UNAVAILABLE', message, { metadata, cause, retryDelayMs: 200 });
}
