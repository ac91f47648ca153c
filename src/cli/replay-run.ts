import { workThrough } from './queues.js';
import { commandsOf, type ReplayCommand, type StockQueue } from './replay-plan.js';

/** What became of one command. */
export interface Outcome {
  readonly accepted: boolean;
  readonly replayed: boolean;
}

/** What became of all commands so far. */
export interface Tally {
  openings: number;
  salesAccepted: number;
  salesRefused: number;
  returns: number;
  replayed: number;
}

/** How many commands have been answered. */
export function answered(tally: Tally): number {
  return tally.openings + tally.salesAccepted + tally.salesRefused + tally.returns;
}

/** What a run needs from outside. */
export interface ReplayRun {
  readonly namespace: string;
  /** How many stocks are worked on at once. */
  readonly concurrency: number;
  /** Sends one command until it is decided. */
  readonly send: (command: ReplayCommand) => Promise<Outcome>;
  /** Told after each answer; the tally goes on changing. */
  readonly onAnswer: (tally: Tally) => void;
  readonly tally: Tally;
}

/** A tally of nothing. */
export function emptyTally(): Tally {
  return { openings: 0, salesAccepted: 0, salesRefused: 0, returns: 0, replayed: 0 };
}

/**
 * Sends the commands of all queues: one after the other within a stock, many stocks at once.
 *
 * @throws the first failure, once every command that was under way has ended
 */
export async function runQueues(queues: readonly StockQueue[], run: ReplayRun): Promise<void> {
  const commands = queues.map((queue) => ({
    [Symbol.iterator]: () => commandsOf(queue, run.namespace),
  }));
  await workThrough(commands, run.concurrency, async (command) => {
    record(run.tally, command, await run.send(command));
    run.onAnswer(run.tally);
  });
}

function record(tally: Tally, { kind }: ReplayCommand, { accepted, replayed }: Outcome): void {
  if (replayed) tally.replayed++;
  if (kind === 'opening') tally.openings++;
  else if (kind === 'return') tally.returns++;
  else if (accepted) tally.salesAccepted++;
  else tally.salesRefused++;
}
