import { InventoryError } from '../domain/errors.js';
import type { Pool } from '../postgres/pool.js';
import type { Pending } from './pending.js';
import { type BatchObserver, settleBatch } from './settle-batch.js';
import { orderedBy, SidingRound } from './siding-round.js';

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
  #queuedCommands = 0;
  /** On a siding: all that was queued when this round began. */
  #round: SidingRound | undefined;
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
    return this.#queuedCommands + (this.#round?.commands ?? 0) + (this.#siding?.length ?? 0);
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
    while (this.#queue.length > 0) {
      if (this.#siding === undefined) await this.#goRound();
      else this.#siding.admit(await this.#settle(this.#take(), { patient: false, waits: true }));
    }
    this.#running = undefined;
  }

  /** Tries all that waits on this siding. A lock is waited for once in each round, or it would take as long as all of them. */
  async #goRound(): Promise<void> {
    const round = new SidingRound(this.#queue.splice(0));
    this.#queuedCommands = 0;
    this.#round = round;
    const next = () => round.next(this.options.batchLimit);
    for (let batch = next(), waits = true; batch.length > 0; batch = next(), waits = false)
      round.tried(batch, await this.#settle(batch, { patient: true, waits }));
    this.#round = undefined;
    this.enqueue(round.left, 'FIRST');
  }

  #settle(batch: readonly Pending[], how: { patient: boolean; waits: boolean }): Promise<Pending[]> {
    return settleBatch(batch, { writes: this.options.writes, observer: this.#observer, ...how });
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
    const waiting = [...(this.#round?.left ?? []), ...this.#queue];
    return waiting.length === 0 ? undefined : new Set(waiting.flatMap(orderedBy));
  }
}
