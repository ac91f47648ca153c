import type { StockCopy, Submission } from '../domain/types.js';
import { writeAndCheck, writeAndCommit } from '../postgres/ledger-write.js';
import type { Client, Pool } from '../postgres/pool.js';
import { isTransactionError } from '../postgres/sql-errors.js';
import { type BatchOutcomes, type Judged, lockAndJudge } from './lock-and-judge.js';

/**
 * One transaction for many commands.
 *
 * BEGIN; lock the logs that its messages come from; placeholders for stocks that the batch may make; lock all its stocks in
 * key order; read the events that its ids already have; judge in arrival order; write events, stocks and how far the logs
 * are in one statement; COMMIT. Two round trips.
 * The order matters: logs are locked by messages only, and first; placeholders come before any lock of a stock (a
 * transaction that waits for another's placeholder holds no stock), stocks are locked in key order by everybody, and prior
 * events are read after the lock.
 */

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
  const client = await connect(pool);
  let judged: Judged | undefined;
  try {
    judged = await lockAndJudge(client, submissions, skipLocked);
    const { tag, warned } = await writeAndCommit(client, judged.writing, judged.nowUs);
    if (tag !== 'COMMIT') throw new NotCommitted(`COMMIT was answered ${tag}`);
    if (warned) throw new NotReplicated('COMMIT was answered with a warning');
    client.release();
    const { outcomes, writing, beat: asOf } = judged;
    return { outcomes, stocks: writing.stocks.map((stock) => ({ stock, asOf })) };
  } catch (error) {
    // An ERROR, after COMMIT was sent too, is an answer: the transaction is gone. Anything else is none.
    const answered = isTransactionError(error);
    await giveBack(client, answered);
    throw new BatchFailure(error, answered ? undefined : judged?.outcomes);
  }
}

/** Runs a submission as far as COMMIT, and takes it back. @throws BatchFailure where it could not be committed. */
export async function rehearse(pool: Pool | undefined, submission: Submission): Promise<void> {
  const client = await connect(pool);
  try {
    const { writing, nowUs } = await lockAndJudge(client, [submission], false);
    await writeAndCheck(client, writing, nowUs);
  } catch (error) {
    await giveBack(client, isTransactionError(error));
    throw new BatchFailure(error);
  }
  await giveBack(client, true);
}

async function connect(pool: Pool | undefined): Promise<Client> {
  if (pool === undefined) throw new BatchFailure(new Error('no primary takes writes'));
  return await pool.connect().catch((error: unknown) => {
    throw new BatchFailure(error);
  });
}

/** Leaves the client usable for others, or closes it where that cannot be known. */
async function giveBack(client: Client, answered: boolean): Promise<void> {
  const clean = answered && (await client.query('ROLLBACK').catch(() => undefined)) !== undefined;
  client.release(!clean);
}
