import { createsStock, isLateCount } from '../domain/decide.js';
import type { Verdict } from '../domain/judge-submissions.js';
import { judgeSubmissions, keyOf } from '../domain/judge-submissions.js';
import type { Outcome, StockCopy, StockKey, Submission } from '../domain/types.js';
import type { Locked, LockRequest } from '../postgres/ledger-statements.js';
import { beginAndLock, findStocks, writeAndCommit } from '../postgres/ledger-statements.js';
import type { Client, Pool } from '../postgres/pool.js';
import { isTransactionError } from '../postgres/sql-errors.js';

/**
 * One transaction for many commands.
 *
 * BEGIN; placeholders for stocks that the batch may make; lock all its stocks in key order; read the events that its
 * ids already have; judge in arrival order; write events and stocks in one statement; COMMIT. Two round trips.
 * The order matters: placeholders come before any lock (a transaction that waits for another's placeholder holds no
 * stock), stocks are locked in key order by everybody, and prior events are read after the lock.
 */

/** What became of each submission: its outcomes, or LOCKED where another transaction holds one of its stocks. */
export type BatchOutcomes = readonly (readonly Outcome[] | 'LOCKED')[];

/** What a transaction has made durable. */
export interface Committed {
  readonly outcomes: BatchOutcomes;
  /** The stocks that it changed, as it left them. */
  readonly stocks: readonly StockCopy[];
}

/** The transaction failed. */
export class BatchFailure extends Error {
  constructor(
    override readonly cause: unknown,
    /** What was judged, where the answer to COMMIT was lost: it may have taken effect all the same. */
    readonly unsettled?: BatchOutcomes,
  ) {
    super('the batch failed', { cause });
  }
}

/** Stocks only ever come about: each further try needs another one that was made in that very moment. */
const LOCK_TRIES = 5;

/** COMMIT was answered with another tag: PostgreSQL rolled back without calling it an error. */
class NotCommitted extends Error {
  readonly code = '40000'; // transaction_rollback
  readonly severity = 'ERROR';
}

/** COMMIT was answered with a warning: the wait for a standby was given up, so a failover could lose the batch. */
class NotReplicated extends Error {
  readonly code = '01000'; // warning
}

/**
 * Runs the submissions in one transaction; resolves to their outcomes, in their order, once they are durable, and to the
 * stocks that they changed.
 *
 * @param skipLocked passes by submissions whose stocks others have locked, instead of waiting for them.
 * @throws BatchFailure where nothing, or (if `unsettled`) possibly everything, took effect.
 */
export async function runBatch(
  pool: Pool | undefined,
  submissions: readonly Submission[],
  skipLocked: boolean,
): Promise<Committed> {
  if (pool === undefined) throw new BatchFailure(new Error('no primary takes writes'));
  const client = await pool.connect().catch((error: unknown) => {
    throw new BatchFailure(error);
  });
  let judged: Judged | undefined;
  try {
    judged = await lockAndJudge(client, submissions, skipLocked);
    const { tag, warned } = await writeAndCommit(client, judged.verdict, judged.nowUs);
    if (tag !== 'COMMIT') throw new NotCommitted(`COMMIT was answered ${tag}`);
    if (warned) throw new NotReplicated('COMMIT was answered with a warning');
    client.release();
    const { outcomes, verdict, beat: asOf } = judged;
    return { outcomes, stocks: verdict.stocks.map((stock) => ({ stock, asOf })) };
  } catch (error) {
    // An ERROR, after COMMIT was sent too, is an answer: the transaction is gone. Anything else is none.
    const answered = isTransactionError(error);
    await giveBack(client, answered);
    throw new BatchFailure(error, answered ? undefined : judged?.outcomes);
  }
}

interface Judged {
  readonly verdict: Verdict;
  readonly outcomes: BatchOutcomes;
  readonly nowUs: number;
  readonly beat: bigint;
}

async function lockAndJudge(
  client: Client,
  submissions: readonly Submission[],
  skipLocked: boolean,
): Promise<Judged> {
  const commands = submissions.flatMap((submission) => submission.commands);
  const keys = distinctKeys(commands);
  const lateCounts = commands.filter(isLateCount);
  const locked = await lockAll(client, { keys, making: [], commands, lateCounts, skipLocked });
  const held = keysHeldByOthers(locked);
  const isFree = (submission: Submission) =>
    held.size === 0 || !submission.commands.some((each) => held.has(nameOf(each)));
  const verdict = judgeSubmissions(submissions.filter(isFree), locked);
  const outcomes = verdict.outcomes.values();
  return {
    verdict,
    outcomes: submissions.map((submission) => (isFree(submission) ? outcomes.next().value! : 'LOCKED')),
    nowUs: locked.nowUs,
    beat: locked.beat,
  };
}

/**
 * Begins, again where the stocks were not all there to be locked. One that is missing may have been made while the lock of
 * another was waited for: then the commands would be judged on two states of the world. With the locks held a second look
 * tells: what is missing then as well was never there.
 */
async function lockAll(client: Client, request: LockRequest): Promise<Locked> {
  let locked = await beginAndLock(client, request);
  for (let tries = 1; tries < LOCK_TRIES; tries++) {
    const missing = missingKeys(request, locked);
    if (missing.length === 0) break;
    const making = keysToMake(request, missing);
    if (making.length === 0 && (await findStocks(client, missing)).length === 0) break;
    // Seldom: the first restock of a stock. Placeholders must come before the locks, so begin again with them.
    await client.query('ROLLBACK');
    locked = await beginAndLock(client, { ...request, making });
  }
  return locked;
}

/** Leaves the client usable for others, or closes it where that cannot be known. */
async function giveBack(client: Client, answered: boolean): Promise<void> {
  const clean = answered && (await client.query('ROLLBACK').catch(() => undefined)) !== undefined;
  client.release(!clean);
}

function distinctKeys(keys: readonly StockKey[]): StockKey[] {
  return [...new Map(keys.map((key) => [nameOf(key), key])).values()];
}

const nameOf = (key: StockKey): string => keyOf(key.storeId, key.productId);

function missingKeys({ keys }: LockRequest, { existing }: Locked): StockKey[] {
  if (existing.length === keys.length) return [];
  const found = new Set(existing.map(nameOf));
  return keys.filter((key) => !found.has(nameOf(key)));
}

/** Those of the missing stocks that a command may make. */
function keysToMake({ commands }: LockRequest, missing: readonly StockKey[]): StockKey[] {
  const makers = new Set(commands.filter(({ type }) => createsStock(type)).map(nameOf));
  return missing.filter((key) => makers.has(nameOf(key)));
}

/** None, where we waited for all of them. */
function keysHeldByOthers({ existing, stocks }: Locked): Set<string> {
  if (existing === stocks) return new Set();
  const ours = new Set(stocks.map(nameOf));
  const all = existing.map(nameOf);
  return new Set(all.filter((key) => !ours.has(key)));
}
