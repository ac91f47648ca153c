import { InventoryError } from '../domain/errors.js';
import { keyOf } from '../domain/judge-submissions.js';
import type { Pool } from '../postgres/pool.js';
import type { Pending } from './pending.js';
import { type BatchObserver, settleBatch } from './settle-batch.js';

export interface LaneOptions {
  /** Where the primary is written now; undefined while there is none. */
  readonly writes: () => Pool | undefined;
  /** Commands that may wait. */
  readonly queueLimit: number;
  /** Commands in one transaction; a larger submission goes alone. */
  readonly batchLimit: number;
  readonly observer: BatchObserver;
}

/** Of the time that a submission has left, the share that it may be expected to wait. */
const WAIT_SHARE = 0.5;
/** How much the newest transaction counts in the average. */
const NEWEST_WEIGHT = 0.2;

/**
 * Serves submissions in arrival order, many at a time: whenever the last transaction is done, one new transaction takes
 * all that is queued. No timer delays anything; load makes the batches.
 *
 * What cannot go on (others hold its stocks, its outcome is unknown) would hold up the rest, so it waits on a siding: a
 * lane of its own, with a connection of its own, which later submissions for the same stocks join.
 */
export class Lane {
  readonly #siding: Lane | undefined;
  #queue: Pending[] = [];
  /** What runs now. */
  #batch: Pending[] = [];
  #queuedCommands = 0;
  #running: Promise<void> | undefined;
  /** How long a transaction that commits takes, on average. */
  #commitMs = 0;
  readonly #observer: BatchObserver;

  constructor(
    private readonly options: LaneOptions,
    role: 'MAIN' | 'SIDING' = 'MAIN',
  ) {
    const { observer } = options;
    this.#observer = {
      ...observer,
      batchCommitted: (commands, seconds, stocks) => {
        this.#commitMs += NEWEST_WEIGHT * (seconds * 1000 - this.#commitMs);
        observer.batchCommitted(commands, seconds, stocks);
      },
    };
    this.#siding = role === 'MAIN' ? new Lane(options, 'SIDING') : undefined;
  }

  /** Commands that wait, those on the siding too. */
  get length(): number {
    return this.#queuedCommands + (this.#siding?.length ?? 0);
  }

  /**
   * Queues a submission, or refuses it at once where too many commands wait, or where it would wait too long: a queue in
   * which everything is done just after its deadline does nothing at all.
   */
  add(pending: Pending): void {
    const { length } = this;
    const waitMs = this.#expectedWaitMs();
    const full = length > 0 && length + pending.size > this.options.queueLimit;
    if (full || waitMs > WAIT_SHARE * (pending.deadlineMs - performance.now())) {
      const message = `${length} commands wait already; try again later, with the same event id`;
      const retryDelayMs = Math.max(100, Math.round(waitMs));
      pending.reject(new InventoryError('QUEUE_FULL', message, { retryDelayMs }));
      return;
    }
    this.enqueue([pending], 'LAST');
  }

  /** How long one more submission waits until it is run; nothing where no other waits. */
  #expectedWaitMs(): number {
    if (this.#queuedCommands === 0) return 0;
    const transactions = Math.ceil(this.#queuedCommands / this.options.batchLimit) + 1;
    return transactions * this.#commitMs;
  }

  /** Resolves when everything that was queued has its answer. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    await this.#siding?.idle();
  }

  private enqueue(pendings: readonly Pending[], place: 'FIRST' | 'LAST'): void {
    if (pendings.length === 0) return;
    if (place === 'LAST') this.#queue.push(...pendings);
    else this.#queue.unshift(...pendings);
    for (const pending of pendings) this.#queuedCommands += pending.size;
    // Not before this turn of the event loop has delivered all the commands that arrived together.
    this.#running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#drain());
  }

  /** Takes over from the main lane what cannot go on there. */
  private admit(pendings: readonly Pending[]): void {
    this.enqueue(pendings, 'LAST');
    for (const pending of pendings) pending.sidelined();
  }

  async #drain(): Promise<void> {
    const { writes } = this.options;
    const observer = this.#observer;
    const patient = this.#siding === undefined;
    while (this.#queue.length > 0) {
      this.#batch = this.#take();
      const stuck = await settleBatch(this.#batch, { writes, observer, patient });
      this.#batch = [];
      if (this.#siding === undefined) this.enqueue(stuck, 'FIRST');
      else this.#siding.admit(stuck);
    }
    this.#running = undefined;
  }

  /** The next submissions; those whose deadline has passed are dropped here, before they start, and never later. */
  #take(): Pending[] {
    const nowMs = performance.now();
    const onSiding = this.#siding?.waitedFor();
    const taken: Pending[] = [];
    let commands = 0;
    let next = 0;
    for (; next < this.#queue.length; next++) {
      const pending = this.#queue[next]!;
      if (commands > 0 && commands + pending.size > this.options.batchLimit) break;
      this.#queuedCommands -= pending.size;
      if (pending.isOver(nowMs)) continue;
      if (onSiding !== undefined && orderedBy(pending).some((name) => onSiding.has(name))) {
        this.#siding?.admit([pending]);
        continue;
      }
      taken.push(pending);
      commands += pending.size;
    }
    this.#queue.splice(0, next);
    return taken;
  }

  /** What is waited for here; undefined where nothing is. */
  private waitedFor(): ReadonlySet<string> | undefined {
    if (this.#batch.length === 0 && this.#queue.length === 0) return undefined;
    return new Set([...this.#batch, ...this.#queue].flatMap(orderedBy));
  }
}

/**
 * What keeps it in order: its stocks; of a message its log, which stands for them, since none but messages of the same store
 * are about them here.
 */
const orderedBy = ({ submission: { commands, message } }: Pending): string[] =>
  message === undefined
    ? commands.map(({ storeId, productId }) => keyOf(storeId, productId))
    : [keyOf(message.storeId, '')];
