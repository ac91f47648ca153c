import { hashOfIds } from '../domain/id-hash.js';

const SLOTS = 2 ** 20;

/**
 * From one beat to what it takes to be sure that a snapshot holds all that another one with that beat held, whichever
 * servers they are from: a commit may stand behind the next beat in the replica's order, though it was seen before it on the
 * primary; it stands before the beat after that, whose maker had seen the next one.
 */
const BEATS_TO_INCLUDE = 2;

/**
 * Remembers, for as long as the process lives, the newest change of every stock that the feed has delivered, in bounded
 * space: stocks that share a slot share the memory of their changes. So it can be told of a copy, wherever it comes from and
 * however late, whether it holds everything that was delivered of its stock. A cache that remembers nothing of what it
 * dropped cannot tell, and would take in an old copy for good.
 */
export class ChangeSlots {
  /** By slot, of its newest change: the beat of the poll that delivered it, its stock if there was one, and its version. */
  readonly #beats: Float64Array;
  readonly #names: (string | undefined)[];
  readonly #versions: Float64Array;

  /** @param count how many there are. */
  constructor(private readonly count = SLOTS) {
    this.#beats = new Float64Array(count);
    this.#names = new Array(count);
    this.#versions = new Float64Array(count);
  }

  /** Nothing is known of what changed before a snapshot with this beat. */
  reset(beat: bigint): void {
    this.#beats.fill(Number(beat));
    this.#names.fill(undefined);
  }

  /** A poll with this beat has delivered a change. */
  changed(name: string, version: bigint, beat: bigint): void {
    const slot = this.#slotOf(name);
    this.#beats[slot] = Number(beat);
    this.#names[slot] = name;
    this.#versions[slot] = Number(version);
  }

  /** Whether a copy of this stock holds every change that was delivered of it. */
  accepts(name: string, version: bigint, asOf: bigint): boolean {
    const slot = this.#slotOf(name);
    if (Number(asOf) >= this.#beats[slot]! + BEATS_TO_INCLUDE) return true;
    return this.#names[slot] === name && Number(version) >= this.#versions[slot]!;
  }

  #slotOf(name: string): number {
    return hashOfIds(name) % this.count;
  }
}
