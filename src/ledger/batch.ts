import type { MovementCommand } from '../domain/decide.js';
import { createsStock, decide } from '../domain/decide.js';
import type { Outcome, PriorEvent, StockEvent, StockKey, StockRow } from '../domain/types.js';
import type { LockedBatch } from '../postgres/ledger-statements.js';
import { beginAndLock, writeAndCommit } from '../postgres/ledger-statements.js';
import type { Client, Pool } from '../postgres/pool.js';
import { isTransactionError } from '../postgres/sql-errors.js';

/**
 * One transaction for many commands.
 *
 * BEGIN; placeholders for stocks that the batch may make; lock all its stocks in key order; read the events that its
 * ids already have; decide in arrival order; write events and stocks in one statement; COMMIT. Two round trips.
 * The order matters: placeholders come before any lock (a transaction that waits for another's placeholder holds no
 * stock), stocks are locked in key order by everybody, and prior events are read after the lock.
 */

/** The transaction failed. `unknown`: the answer to COMMIT was lost, so it may have taken effect all the same. */
export class BatchFailure extends Error {
  constructor(
    override readonly cause: unknown,
    readonly unknown: boolean,
  ) {
    super('the batch failed', { cause });
  }
}

/** COMMIT was answered with another tag: PostgreSQL rolled back without calling it an error. */
class NotCommitted extends Error {
  readonly code = '40000'; // transaction_rollback
  readonly severity = 'ERROR';
}

/**
 * Runs the commands in one transaction; resolves to their outcomes, in their order, once they are durable.
 *
 * @throws BatchFailure where nothing, or (if `unknown`) possibly everything, took effect.
 */
export async function runBatch(pool: Pool, commands: readonly MovementCommand[]): Promise<Outcome[]> {
  const client = await pool.connect().catch((error: unknown) => {
    throw new BatchFailure(error, false);
  });
  let committing = false;
  try {
    const outcomes = await transact(client, commands, () => {
      committing = true;
    });
    client.release();
    return outcomes;
  } catch (error) {
    await rollBack(client);
    // An ERROR after COMMIT was sent is an answer: the transaction is gone. Anything else is none.
    throw new BatchFailure(error, committing && !isTransactionError(error));
  }
}

async function transact(
  client: Client,
  commands: readonly MovementCommand[],
  onCommitSent: () => void,
): Promise<Outcome[]> {
  const keys = distinctKeys(commands);
  let locked = await beginAndLock(client, keys, [], commands);
  const missing = missingKeys(commands, locked);
  if (missing.length > 0) {
    // Seldom: the first restock of a stock. Placeholders must come before the locks, so begin again with them.
    await client.query('ROLLBACK');
    locked = await beginAndLock(client, keys, missing, commands);
  }
  const decided = decideAll(commands, locked);
  const tag = await writeAndCommit(client, decided.events, decided.stocks, locked.nowUs, onCommitSent);
  if (tag !== 'COMMIT') throw new NotCommitted(`COMMIT was answered ${tag}`);
  return decided.outcomes;
}

/** Judges the commands in arrival order, each seeing those before it; a repeat inside the batch is a replay. */
function decideAll(commands: readonly MovementCommand[], locked: LockedBatch) {
  const stocks = new Map(locked.stocks.map((stock) => [keyOf(stock.storeId, stock.productId), stock]));
  const priors = new Map<string, PriorEvent>(
    locked.events.map((event) => [keyOf(event.storeId, event.eventId), event]),
  );
  const changed = new Map<string, StockRow>();
  const events: StockEvent[] = [];
  const outcomes = commands.map((command) => {
    const stockKey = keyOf(command.storeId, command.productId);
    const eventKey = keyOf(command.storeId, command.eventId);
    const { outcome, event, stock } = decide(
      command,
      stocks.get(stockKey),
      priors.get(eventKey),
      locked.nowUs,
    );
    if (event !== undefined) {
      priors.set(eventKey, event);
      events.push(event);
    }
    if (stock !== undefined) {
      stocks.set(stockKey, stock);
      changed.set(stockKey, stock);
    }
    return outcome;
  });
  return { outcomes, events, stocks: [...changed.values()] };
}

/** Leaves the client usable for others, or closes it where that cannot be known. */
async function rollBack(client: Client): Promise<void> {
  try {
    await client.query('ROLLBACK');
    client.release();
  } catch {
    client.release(true);
  }
}

/** Ids hold no control characters, so a NUL keeps the two parts apart. */
const keyOf = (storeId: string, id: string): string => `${storeId}\0${id}`;

function distinctKeys(commands: readonly StockKey[]): StockKey[] {
  return [
    ...new Map(commands.map((command) => [keyOf(command.storeId, command.productId), command])).values(),
  ];
}

function missingKeys(commands: readonly MovementCommand[], locked: LockedBatch): StockKey[] {
  const found = new Set(locked.stocks.map((stock) => keyOf(stock.storeId, stock.productId)));
  return distinctKeys(
    commands.filter(
      (command) => createsStock(command.type) && !found.has(keyOf(command.storeId, command.productId)),
    ),
  );
}
