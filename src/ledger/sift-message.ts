import type { Submission } from '../domain/types.js';
import type { Pool } from '../postgres/pool.js';
import { classifyFailure } from '../postgres/sql-errors.js';
import { BatchFailure, rehearse } from './batch.js';
import type { Pending } from './pending.js';

/**
 * Finds the commands of a message that the database refuses, each with what it said. A message moves its log as a whole, so
 * that its parts cannot be run each by itself: they are rehearsed, each behind those before it that can be done.
 *
 * @returns none where it is not the commands that are refused.
 * @throws BatchFailure where that cannot be found out now.
 */
export async function refusedCommands(
  pending: Pending,
  writes: () => Pool | undefined,
): Promise<ReadonlyMap<number, unknown>> {
  const sieve = new Sieve(pending, writes, pending.submission);
  if ((await sieve.refusalOf([])) === undefined) await sieve.sift([...pending.submission.commands.keys()]);
  return sieve.refused;
}

/**
 * The same for a repeat with commands that left no event: those that the database refuses were refused before, the others
 * are of another log. So they are rehearsed outside of the log.
 */
export async function refusedAgain(
  pending: Pending,
  writes: () => Pool | undefined,
): Promise<ReadonlyMap<number, unknown>> {
  const sieve = new Sieve(pending, writes, { mode: 'INDEPENDENT' });
  await sieve.sift([...pending.submission.commands.keys()]);
  return sieve.refused;
}

class Sieve {
  readonly refused = new Map<number, unknown>();
  readonly #good: number[] = [];

  constructor(
    private readonly pending: Pending,
    private readonly writes: () => Pool | undefined,
    /** What the commands are rehearsed as. */
    private readonly envelope: Pick<Submission, 'mode' | 'message'>,
  ) {}

  /** Halves these until those that are refused stand alone. */
  async sift(indexes: readonly number[]): Promise<void> {
    const refusal = await this.refusalOf(indexes);
    if (refusal === undefined) this.#good.push(...indexes);
    else if (indexes.length === 1) this.refused.set(indexes[0]!, refusal.cause);
    else {
      const middle = Math.ceil(indexes.length / 2);
      await this.sift(indexes.slice(0, middle));
      await this.sift(indexes.slice(middle));
    }
  }

  /** Why the message cannot be done with these, behind those that are good; undefined where it can. */
  async refusalOf(indexes: readonly number[]): Promise<BatchFailure | undefined> {
    const { commands: all } = this.pending.submission;
    if (this.pending.isOver(performance.now())) throw new BatchFailure(new Error('the deadline has passed'));
    const commands = [...this.#good, ...indexes].map((index) => all[index]!);
    try {
      await rehearse(this.writes(), { ...this.envelope, commands });
      return undefined;
    } catch (error) {
      const failure = error instanceof BatchFailure ? error : new BatchFailure(error);
      if (classifyFailure(failure.cause) === 'OTHER') return failure;
      throw failure;
    }
  }
}
