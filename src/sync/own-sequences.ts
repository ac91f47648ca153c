import type { StockChange } from '../domain/types.js';

/** Messages that are remembered one by one; of more than that every other one, which tells of the one before it too. */
const REMEMBERED = 1_000;

/**
 * Which of a stream's own messages are contained in stocks that the feed delivered: those that were committed before the
 * poll was sent, and those of which the feed has shown a change (a transaction is seen whole).
 */
export class OwnSequences {
  #included: bigint;
  /** Seen by the feed, maybe not yet sent. */
  #seen: bigint;
  /** Committed, and not known to be included; in their order. */
  #committed: { readonly sequence: bigint; readonly atMs: number }[] = [];

  /**
   * @param acked the last message that was committed when the stream began.
   * @param now the clock of the polls' times.
   */
  constructor(
    private readonly epoch: bigint,
    acked: bigint,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#included = acked;
    this.#seen = acked;
  }

  /** Whether a change comes from this very log. */
  isOwn({ syncEpoch }: StockChange): boolean {
    return syncEpoch === this.epoch;
  }

  /** A message was acknowledged to us just now. */
  committed(sequence: bigint): void {
    this.#committed.push({ sequence, atMs: this.now() });
    // The feed is far behind: what is told later of some of them is told no less.
    if (this.#committed.length > REMEMBERED)
      this.#committed = this.#committed.filter((_, index) => index % 2 === 0);
  }

  /** How many of them are remembered. */
  get remembered(): number {
    return this.#committed.length;
  }

  /** The feed delivers a change: it waits to be sent with all before it. */
  delivered(change: StockChange): void {
    if (this.isOwn(change) && change.syncSequence > this.#seen) this.#seen = change.syncSequence;
  }

  /** What is contained in everything that the feed has delivered so far, by a poll sent at this time. */
  includedNow(sentMs: number): bigint {
    const open = this.#committed.findIndex(({ atMs }) => atMs > sentMs);
    const before = open < 0 ? this.#committed.splice(0) : this.#committed.splice(0, open);
    return this.#raise(before.at(-1)?.sequence ?? 0n, this.#seen);
  }

  /** What is contained in these changes, which were read from the log, each stock's up to the same place. */
  includedIn(changes: readonly StockChange[]): bigint {
    return this.#raise(...changes.filter((each) => this.isOwn(each)).map((each) => each.syncSequence));
  }

  #raise(...sequences: readonly bigint[]): bigint {
    for (const sequence of sequences) if (sequence > this.#included) this.#included = sequence;
    return this.#included;
  }
}
