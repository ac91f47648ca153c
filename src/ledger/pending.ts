import { eventIdMetadata, InventoryError } from '../domain/errors.js';
import type { Outcome, Submission } from '../domain/types.js';
import { classifyFailure } from '../postgres/sql-errors.js';

/** What is unsettled is answered this much before its deadline: after it nobody listens. */
const ANSWER_BEFORE_MS = 25;

/** Who waits for the answer. */
export interface Waiter {
  resolve(outcomes: readonly Outcome[]): void;
  reject(error: InventoryError): void;
  /** It waits on a siding from now on: the answer may be long in coming, and it holds up nobody else. */
  sidelined?(): void;
}

/** A submission that waits for its outcomes, and what is known of them. It is answered once; later answers are dropped. */
export class Pending {
  /** What was judged in a transaction whose COMMIT was never answered: it may have taken effect. */
  #unsettled: readonly Outcome[] | undefined;
  #answered = false;

  /** @param deadlineMs on the clock of performance.now(). */
  constructor(
    readonly submission: Submission,
    readonly deadlineMs: number,
    private readonly waiter: Waiter,
  ) {}

  /** Only running it again can tell whether it took effect. */
  get unsettled(): boolean {
    return this.#unsettled !== undefined;
  }

  /** Whether its commands may be run each by itself. A message moves its log as a whole. */
  get divisible(): boolean {
    const { mode, message } = this.submission;
    return this.size > 1 && mode === 'INDEPENDENT' && message === undefined;
  }

  /** How many commands it has. */
  get size(): number {
    return this.submission.commands.length;
  }

  resolve(outcomes: readonly Outcome[]): void {
    const lost = this.#unsettled;
    this.#answer(() =>
      this.waiter.resolve(lost === undefined ? outcomes : outcomes.map((each, i) => asFirst(each, lost[i]))),
    );
  }

  reject(error: InventoryError): void {
    this.#answer(() => this.waiter.reject(error));
  }

  sidelined(): void {
    this.waiter.sidelined?.();
  }

  /** Answers that it cannot be run. */
  fail(cause: unknown): void {
    this.reject(this.unsettled ? this.#outcomeUnknown(cause) : this.#notRun(cause));
  }

  /** Whether its time is over; then it is answered, if it was not yet. */
  isOver(nowMs: number): boolean {
    if (this.#answered) return true;
    if (this.deadlineMs > nowMs) return false;
    const message = 'The deadline passed while the command waited; it was not run';
    const late = new InventoryError('DEADLINE_EXCEEDED', message, { metadata: this.#eventIds() });
    this.reject(this.unsettled ? this.#outcomeUnknown() : late);
    return true;
  }

  /** The answer to COMMIT was lost. From now on the caller is told so by the deadline, if nothing better is found. */
  unsettle(judged: readonly Outcome[]): void {
    if (this.#unsettled !== undefined) return;
    this.#unsettled = judged;
    const leftMs = this.deadlineMs - performance.now() - ANSWER_BEFORE_MS;
    setTimeout(() => this.reject(this.#outcomeUnknown()), Math.max(0, leftMs)).unref();
  }

  /** Its commands, each to be run by itself; it is answered when all of them are. */
  apart(): Pending[] {
    const outcomes: Outcome[] = [];
    let open = this.size;
    const done = (index: number, outcome: Outcome) => {
      outcomes[index] = outcome;
      if (--open === 0) this.resolve(outcomes);
    };
    return this.submission.commands.map((command, index) => {
      const part = new Pending({ commands: [command], mode: 'INDEPENDENT' }, this.deadlineMs, {
        resolve: ([outcome]) => done(index, outcome!),
        reject: (error) => done(index, { kind: 'NOT_RUN', error }),
      });
      if (this.#unsettled !== undefined) part.unsettle([this.#unsettled[index]!]);
      return part;
    });
  }

  /**
   * The message without the commands that the database refuses; it is answered when that is. They leave no event, so that
   * they can be sent again once what is wrong has been put right.
   *
   * @param refused what the database said, by the commands' places.
   */
  without(refused: ReadonlyMap<number, unknown>): Pending {
    const { commands, mode, message } = this.submission;
    const kept = commands.filter((_, index) => !refused.has(index));
    const incomplete = message === undefined ? {} : { message: { ...message, incomplete: true } };
    const resolve = (outcomes: readonly Outcome[]) => {
      const next = outcomes.values();
      this.resolve(
        commands.map((command, index) =>
          refused.has(index)
            ? { kind: 'NOT_RUN', error: internal(eventIdMetadata([command.eventId]), refused.get(index)) }
            : next.next().value!,
        ),
      );
    };
    return new Pending({ commands: kept, mode, ...incomplete }, this.deadlineMs, {
      resolve,
      reject: (error) => this.reject(error),
      sidelined: () => this.sidelined(),
    });
  }

  #answer(answer: () => void): void {
    if (this.#answered) return;
    this.#answered = true;
    answer();
  }

  #outcomeUnknown(cause?: unknown): InventoryError {
    const message =
      'The answer of the database was lost: ask again with the same event id, it takes effect at most once';
    return new InventoryError('OUTCOME_UNKNOWN', message, { metadata: this.#eventIds(), cause });
  }

  #notRun(cause: unknown): InventoryError {
    const metadata = this.#eventIds();
    if (classifyFailure(cause) === 'OTHER') return internal(metadata, cause);
    const message = 'The database cannot be reached; nothing was changed. Try again with the same event id';
    return new InventoryError('DATABASE_UNAVAILABLE', message, { metadata, cause, retryDelayMs: 200 });
  }

  /** What to ask again with. */
  #eventIds(): Record<string, string> {
    return eventIdMetadata(this.submission.commands.map((command) => command.eventId));
  }
}

const internal = (metadata: Readonly<Record<string, string>>, cause: unknown): InventoryError =>
  new InventoryError('INTERNAL', 'Internal error', { metadata, cause });

/** What replays the very event that the lost answer told of is that answer, and no replay to the caller. */
function asFirst(outcome: Outcome, lost: Outcome | undefined): Outcome {
  const same =
    outcome.kind === 'DECIDED' &&
    lost?.kind === 'DECIDED' &&
    outcome.event.recordedTimeUs === lost.event.recordedTimeUs &&
    outcome.event.version === lost.event.version;
  return same ? lost : outcome;
}
