/** A beat's number begins with the timeline of the primary that made it, so that no later timeline has a lower one. */
const TIMELINE_SHIFT = 32n;

/** The timeline of the primary that made the beat; 0 for the one that the migrations put there. */
export const timelineOf = (beat: bigint): bigint => beat >> TIMELINE_SHIFT;

/** The least number that a beat of this timeline may have. */
export const firstBeatOf = (timeline: bigint): bigint => timeline << TIMELINE_SHIFT;

/** When a primary's clock showed what, on this process's own monotonic clock. */
interface Sight {
  /** performance.now() before the statement was sent. */
  readonly sentMs: number;
  /** The primary's clock when it answered: not earlier than `sentMs`. */
  readonly nowUs: number;
}

/**
 * Tells how old snapshots are. Every snapshot holds a beat; whoever holds the beat's time can tell how old the snapshot
 * may be at most, on this process's own monotonic clock: the clocks of two machines are never compared. Each primary
 * stamps its beats with its own clock, so each timeline has a sight of its own.
 */
export class BeatClock {
  #newest = 0n;
  #newestTimeUs = 0;
  /** Beats of its timeline before this one are from before their primary's clock was set back. */
  #firstSinceSetBack = 0n;
  readonly #sights = new Map<bigint, Sight>();

  /** The newest beat that this process knows of. */
  get newest(): bigint {
    return this.#newest;
  }

  /** At most how old the newest known beat is; undefined where that cannot be told. */
  get newestAgeMs(): number | undefined {
    return this.ageMs(this.#newest, this.#newestTimeUs);
  }

  /** A beat was seen, on whichever server. */
  sawBeat(beat: bigint, timeUs: number): void {
    if (beat <= this.#newest) return;
    const isSameClock = timelineOf(beat) === timelineOf(this.#newest);
    if (isSameClock && timeUs < this.#newestTimeUs) this.#firstSinceSetBack = beat;
    this.#newest = beat;
    this.#newestTimeUs = timeUs;
  }

  /** The clock of a timeline's primary was seen. */
  sawClock(timeline: bigint, sight: Sight): void {
    this.#sights.set(timeline, sight);
  }

  /**
   * At most how old, in milliseconds, a snapshot is that holds this beat of this time: everything committed earlier than
   * that is in it. Undefined where the clock that made the beat was never seen, or has been set back since.
   */
  ageMs(beat: bigint, timeUs: number): number | undefined {
    const sight = this.#sights.get(timelineOf(beat));
    if (sight === undefined || this.#isBeforeSetBack(beat)) return undefined;
    const beatMs = sight.sentMs - (sight.nowUs - timeUs) / 1000;
    const ageMs = performance.now() - beatMs;
    return ageMs < 0 ? undefined : ageMs;
  }

  #isBeforeSetBack(beat: bigint): boolean {
    const first = this.#firstSinceSetBack;
    return beat < first && timelineOf(beat) === timelineOf(first);
  }
}
