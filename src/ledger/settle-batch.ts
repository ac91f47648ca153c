import { setTimeout as delay } from 'node:timers/promises';
import { InventoryError } from '../domain/errors.js';
import { isForkedRepeat } from '../domain/store-log.js';
import type { StockCopy } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import { classifyFailure } from '../postgres/sql-errors.js';
import { BatchFailure, runBatch } from './batch.js';
import type { Pending } from './pending.js';
import { refusedAgain, refusedCommands } from './sift-message.js';

/** What is told about batches while they run. */
export interface BatchObserver {
  /** @param stocks those that were changed, as they are now. */
  batchCommitted(commands: number, seconds: number, stocks: readonly StockCopy[]): void;
  retried(cause: string): void;
  failed(error: unknown): void;
}

export interface SettleOptions {
  /** Where the primary is written now; undefined while there is none. */
  readonly writes: () => Pool | undefined;
  readonly observer: BatchObserver;
  /** Goes on until the deadline where an outcome is unknown, instead of giving it back after three tries. */
  readonly patient: boolean;
  /** Waits for locks at first; else what others have locked is passed over at once. */
  readonly waits: boolean;
}

const TRIES = 3;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 500;
/** Another process can be first with an event id only once per id; more than this is not that. */
const EVENT_ID_RERUNS = 10;

/**
 * Runs the batch, again where that can help, until every submission has its answer or cannot go on now.
 *
 * @returns those that cannot: others hold their stocks, or their outcome is still unknown. Never throws.
 */
export async function settleBatch(batch: readonly Pending[], options: SettleOptions): Promise<Pending[]> {
  const { patient, waits } = options;
  let open = batch;
  let skipLocked = !waits;
  let pauseMs = FIRST_PAUSE_MS;
  for (let tries = 1, reruns = 0; open.length > 0; ) {
    const answer = await attempt(open, skipLocked, options);
    if (!(answer instanceof BatchFailure)) return await settleForks(answer, options);
    const kind = classifyFailure(answer.cause);
    options.observer.retried(kind);
    if (kind === 'LOCK_TIMEOUT') {
      // A stock that another transaction is about to make cannot be passed by: parts of the batch find whose it is.
      if (skipLocked)
        return patient && open.length > 1 ? divide(open, answer, { ...options, waits: false }) : [...open];
      skipLocked = true;
      continue;
    }
    if (kind === 'EVENT_ID_TAKEN' && reruns++ < EVENT_ID_RERUNS) continue;
    if (kind === 'OTHER') return await divide(open, answer, options);
    if (tries++ >= TRIES && !(patient && open.some((pending) => pending.unsettled))) {
      return giveUp(open, answer, options);
    }
    await delay(pauseMs * (0.5 + Math.random()));
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    const nowMs = performance.now();
    open = open.filter((pending) => !pending.isOver(nowMs));
  }
  return [];
}

/** What a transaction that committed leaves open: submissions whose stocks others hold, and messages that are no repeat. */
interface Open {
  readonly stuck: readonly Pending[];
  readonly forked: readonly { readonly pending: Pending; readonly error: InventoryError }[];
}

/** One transaction. @returns what it leaves open, or why it failed. */
async function attempt(
  batch: readonly Pending[],
  skipLocked: boolean,
  { writes, observer }: SettleOptions,
): Promise<Open | BatchFailure> {
  const startedMs = performance.now();
  const submissions = batch.map((pending) => pending.submission);
  try {
    const { outcomes, stocks } = await runBatch(writes(), submissions, skipLocked);
    const run = batch.filter((_, index) => outcomes[index] !== 'LOCKED');
    const commands = run.reduce((sum, { size }) => sum + size, 0);
    observer.batchCommitted(commands, (performance.now() - startedMs) / 1000, stocks);
    const open = { stuck: [] as Pending[], forked: [] as { pending: Pending; error: InventoryError }[] };
    batch.forEach((pending, index) => {
      const each = outcomes[index]!;
      if (each === 'LOCKED') open.stuck.push(pending);
      else if (!(each instanceof InventoryError)) pending.resolve(each);
      else if (isForkedRepeat(each)) open.forked.push({ pending, error: each });
      else pending.reject(each);
    });
    return open;
  } catch (error) {
    const failure = error instanceof BatchFailure ? error : new BatchFailure(error);
    batch.forEach((pending, index) => {
      const judged = failure.unsettled?.[index];
      if (Array.isArray(judged)) pending.unsettle(judged);
    });
    return failure;
  }
}

/** Something in the batch itself cannot be done: parts of it find what, so that it fails alone. */
async function divide(
  batch: readonly Pending[],
  failure: BatchFailure,
  options: SettleOptions,
): Promise<Pending[]> {
  const [only, ...others] = batch as readonly [Pending, ...Pending[]];
  if (others.length > 0) {
    const middle = Math.ceil(batch.length / 2);
    const stuck = await settleBatch(batch.slice(0, middle), options);
    // A message behind one of its log that is stuck would be taken for a gap.
    const logs = new Set(stuck.flatMap(({ submission }) => submission.message?.storeId ?? []));
    const isBehind = ({ submission: { message } }: Pending) =>
      message !== undefined && logs.has(message.storeId);
    const rest = batch.slice(middle);
    const next = rest.filter((pending) => !isBehind(pending));
    return [...stuck, ...rest.filter(isBehind), ...(await settleBatch(next, options))];
  }
  if (only.divisible) return await settleBatch(only.apart(), options);
  const otherwise = () => giveUp(batch, failure, options);
  if (only.submission.message === undefined) return otherwise();
  return await settleWithoutRefused(only, refusedCommands(only, options.writes), otherwise, options);
}

/**
 * A repeat with commands that left no event is of another log, unless the database refuses them: then it is answered as it
 * was at first.
 */
async function settleForks({ stuck, forked }: Open, options: SettleOptions): Promise<Pending[]> {
  const open = [...stuck];
  for (const { pending, error } of forked) {
    const otherwise = () => {
      pending.reject(error);
      return [];
    };
    const refused = refusedAgain(pending, options.writes);
    open.push(...(await settleWithoutRefused(pending, refused, otherwise, options)));
  }
  return open;
}

/** A message moves its log on even where some of its commands cannot be done: else its store could never go on. */
async function settleWithoutRefused(
  pending: Pending,
  finding: Promise<ReadonlyMap<number, unknown>>,
  otherwise: () => Pending[],
  options: SettleOptions,
): Promise<Pending[]> {
  try {
    const refused = await finding;
    if (refused.size === 0) return otherwise();
    for (const cause of refused.values()) options.observer.failed(cause);
    return await settleBatch([pending.without(refused)], options);
  } catch (error) {
    return giveUp([pending], error as BatchFailure, options);
  }
}

/** Answers that nothing was changed; what is unsettled cannot be answered so, and is given back. */
function giveUp(
  batch: readonly Pending[],
  { cause }: BatchFailure,
  { observer, patient }: SettleOptions,
): Pending[] {
  observer.failed(cause);
  const kept = patient ? [] : batch.filter((pending) => pending.unsettled);
  for (const pending of batch) if (!kept.includes(pending)) pending.fail(cause);
  return kept;
}
