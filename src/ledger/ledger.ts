import { InventoryError } from '../domain/errors.js';
import { hashOfIds } from '../domain/id-hash.js';
import type { Command, LogCursor, LogMessage, Outcome, Submission } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import { Lane } from './lane.js';
import { LogHellos } from './log-hellos.js';
import { Pending } from './pending.js';
import type { BatchObserver } from './settle-batch.js';

export interface LedgerOptions {
  /** Where the primary is written now; undefined while there is none. */
  readonly writes: () => Pool | undefined;
  /** How many transactions of single commands may run at once. Each stock always goes to the same lane. */
  readonly lanes: number;
  /** How many transactions of batches may run at once. Each store always goes to the same lane. */
  readonly batchLanes: number;
  /** How many transactions of messages of stores' logs may run at once. Each store always goes to the same lane. */
  readonly syncLanes: number;
  /** Commands that may wait in one lane. */
  readonly queueLimit: number;
  /** Commands in one transaction; a larger batch goes alone. */
  readonly batchLimit: number;
  readonly observer: BatchObserver;
}

/** Session settings for the write pool: a plan made on empty tables would otherwise stay a scan for ever. */
export const LEDGER_SESSION_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
} as const;

/**
 * What waits here is bounded by the streams: each waits for the answers to a few messages before it takes more, and none
 * of them may be refused for the length of a queue, since it would come again at once.
 */
const SYNC_LANE = { queueLimit: Number.POSITIVE_INFINITY, batchLimit: 1_000 };

/** The write side: takes commands, answers when their outcome is durable. */
export class Ledger {
  readonly #lanes: Lane[];
  readonly #batchLanes: Lane[];
  readonly #syncLanes: Lane[];
  readonly #hellos: LogHellos;
  #draining = false;

  constructor(options: LedgerOptions) {
    const lanes = (count: number, more: Partial<LedgerOptions> = {}) =>
      Array.from({ length: count }, () => new Lane({ ...options, ...more }));
    this.#lanes = lanes(options.lanes);
    this.#batchLanes = lanes(options.batchLanes);
    this.#syncLanes = lanes(options.syncLanes, SYNC_LANE);
    this.#hellos = new LogHellos(options.writes);
  }

  /** Commands that wait, over all lanes. */
  get queueLength(): number {
    return this.#all.reduce((sum, lane) => sum + lane.length, 0);
  }

  /**
   * Decides one command and makes the outcome durable before it resolves.
   *
   * @param deadlineMs on the clock of performance.now(); a command that still waits then is dropped, one that has been
   *   started is not.
   * @throws InventoryError QUEUE_FULL, SHUTTING_DOWN, DEADLINE_EXCEEDED, DATABASE_UNAVAILABLE (nothing changed),
   *   OUTCOME_UNKNOWN (ask again with the same event id), INTERNAL.
   */
  submit(command: Command, deadlineMs: number): Promise<Outcome> {
    const submission: Submission = { commands: [command], mode: 'INDEPENDENT' };
    const lane = this.#lanes[hashOfIds(command.storeId, command.productId) % this.#lanes.length]!;
    return this.#run(lane, submission, deadlineMs, ([outcome]) => outcome!);
  }

  /**
   * Decides the operations of a batch, all of one store, in one transaction, each seeing those before it. ATOMIC: all of
   * them or none. The outcomes stand in the order of the commands.
   *
   * @throws InventoryError as `submit`; with OUTCOME_UNKNOWN ask again with the same event ids, all of them.
   */
  submitBatch(batch: Submission, deadlineMs: number): Promise<readonly Outcome[]> {
    const lane = this.#batchLanes[hashOfIds(batch.commands[0]!.storeId) % this.#batchLanes.length]!;
    return this.#run(lane, batch, deadlineMs, (outcomes) => outcomes);
  }

  /**
   * Begins a stream of a store's log: of the epoch that the store names, or of a new one (0). From then on no older stream of
   * the store can do anything.
   *
   * @param signal aborted once the caller has gone: then no stream is begun.
   * @returns undefined where the caller has gone.
   * @throws InventoryError EPOCH_SUPERSEDED, LOG_FORKED (the epoch is not known), SHUTTING_DOWN, DATABASE_UNAVAILABLE.
   */
  openLog(storeId: string, epoch: bigint, signal: AbortSignal): Promise<LogCursor | undefined> {
    return this.#draining ? Promise.reject(shuttingDown()) : this.#hellos.open(storeId, epoch, signal);
  }

  /**
   * Takes in a message of a store's log, after those of the store that were submitted before it, together with how far the
   * log then is. The outcomes stand in the order of the commands.
   *
   * @param sidelined called where it cannot go on for now (others hold its stocks), and holds up no other store's messages.
   * @throws InventoryError STREAM_SUPERSEDED, EPOCH_SUPERSEDED, SEQUENCE_GAP, LOG_FORKED; else as `submit`. After any of
   *   them the messages behind it are refused as well.
   */
  submitMessage(
    message: Submission & { readonly message: LogMessage },
    deadlineMs: number,
    sidelined: () => void,
  ): Promise<readonly Outcome[]> {
    const lane = this.#syncLanes[hashOfIds(message.message.storeId) % this.#syncLanes.length]!;
    return this.#run(lane, message, deadlineMs, (outcomes) => outcomes, sidelined);
  }

  /** Takes no more commands; resolves when those taken have their answers. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.all(this.#all.map((lane) => lane.idle()));
  }

  get #all(): Lane[] {
    return [...this.#lanes, ...this.#batchLanes, ...this.#syncLanes];
  }

  #run<T>(
    lane: Lane,
    submission: Submission,
    deadlineMs: number,
    answerOf: (outcomes: readonly Outcome[]) => T,
    sidelined?: () => void,
  ): Promise<T> {
    if (this.#draining) return Promise.reject(shuttingDown());
    return new Promise((resolve, reject) => {
      const answer = (outcomes: readonly Outcome[]) => resolve(answerOf(outcomes));
      const waiter = { resolve: answer, reject, ...(sidelined === undefined ? {} : { sidelined }) };
      lane.add(new Pending(submission, deadlineMs, waiter));
    });
  }
}

const shuttingDown = (): InventoryError =>
  new InventoryError('SHUTTING_DOWN', 'This process is about to stop; try again');
