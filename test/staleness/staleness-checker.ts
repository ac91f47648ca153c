import { StockHistory } from './stock-history.js';

export const SOURCES = ['LOCAL_CACHE', 'SHARED_CACHE', 'REPLICA', 'PRIMARY'] as const;
export type SourceName = (typeof SOURCES)[number];

/** What an answer told of one stock, and what had been asked. Times are of the clock that acknowledgements are told by. */
export interface Reading {
  readonly stock: number;
  /** Before the read was sent. */
  readonly startMs: number;
  readonly strong: boolean;
  /** Asked for at least; 0 for any. */
  readonly minVersion: number;
  /** 0 where the answer says that there is no such stock. */
  readonly version: number;
  readonly quantity: number;
  /** Where it came from and how old it may be; undefined where the answer does not tell: a stock that is not found. */
  readonly claim: Claim | undefined;
}

export interface Claim {
  readonly source: SourceName;
  readonly cached: boolean;
  readonly maxAgeMs: number;
  readonly stale: boolean;
}

/** Clocks are read to microseconds; the database's may be slewed by half a millisecond in a second. */
export const CLOCK_SLACK_MS = 1;
const STALE_AFTER_MS = 5_000;
/** P3: older than this may be one answer of ten thousand. */
export const OLD_AFTER_MS = 1_000;
const PROBLEMS_KEPT = 20;

/** What the answers of one source came to. */
export interface SourceTotals {
  readings: number;
  /** The oldest, by its true age. */
  oldestMs: number;
  overOneSecond: number;
  stale: number;
}

export interface StalenessTotals {
  readings: number;
  writes: number;
  /** By where they came from; NOT_FOUND tells no source. */
  sources: Record<string, SourceTotals>;
  /** Readings that were refused or failed, by reason: each stock of a call is one … */
  failures: Record<string, number>;
  /** … and those that were asked for STRONG, which only a primary for sure can answer. */
  strongFailures: Record<string, number>;
  /** Readings of an older version than one that had been seen before. */
  wentBack: number;
  problemCount: number;
  /** The first of them, each in a sentence. */
  problems: string[];
}

export const noStaleness = (): StalenessTotals => ({
  ...{ readings: 0, writes: 0, sources: {}, failures: {}, strongFailures: {} },
  ...{ wentBack: 0, problemCount: 0, problems: [] },
});

/**
 * Judges reads by the acknowledgements of writes alone. An answer is at least as old as the time from the first
 * acknowledgement of a version that it lacks to the start of the read: that version was committed by then. So what is found
 * wrong here is wrong; only what happened between a commit and its acknowledgement stays in the dark.
 */
export class StalenessChecker {
  readonly totals = noStaleness();
  readonly #histories = new Map<number, StockHistory>();
  readonly #seen = new Map<number, number>();

  /** A stock was there, at version 1, before anything else. */
  opened(stock: number, quantity: number): void {
    this.#historyOf(stock).acknowledged(1, quantity, Number.NEGATIVE_INFINITY);
  }

  /** A write was acknowledged. To be told in the order of time. */
  acknowledged(stock: number, version: number, quantity: number, ackedMs: number): void {
    this.totals.writes++;
    this.#historyOf(stock).acknowledged(version, quantity, ackedMs);
  }

  /** The newest version of a stock that was acknowledged so far; 0 where none was. */
  newestVersion(stock: number): number {
    return this.#historyOf(stock).newestVersion;
  }

  /** A call had no answer: so many stocks were not read. */
  failed(reason: string, strong: boolean, stocks: number): void {
    const failures = strong ? this.totals.strongFailures : this.totals.failures;
    failures[reason] = (failures[reason] ?? 0) + stocks;
  }

  /** To be called when the answer is there: whatever was acknowledged before the read began is known by then. */
  judge(reading: Reading): void {
    const { stock, version, claim } = reading;
    const history = this.#historyOf(stock);
    const ageMs = Math.max(0, reading.startMs - (history.outdatedSinceMs(version) ?? reading.startMs));
    this.#count(claim, ageMs);
    const seen = this.#seen.get(stock) ?? 0;
    if (version < seen) this.totals.wentBack++;
    else this.#seen.set(stock, version);
    for (const problem of problemsOf(reading, ageMs, history.quantityAt(version))) {
      const { problems } = this.totals;
      this.totals.problemCount++;
      if (problems.length < PROBLEMS_KEPT) problems.push(`${problem}: ${story(reading, ageMs, history)}`);
    }
  }

  #count(claim: Claim | undefined, ageMs: number): void {
    this.totals.readings++;
    const name = claim?.source ?? 'NOT_FOUND';
    this.totals.sources[name] ??= { readings: 0, oldestMs: 0, overOneSecond: 0, stale: 0 };
    const source = this.totals.sources[name];
    source.readings++;
    source.oldestMs = Math.max(source.oldestMs, ageMs);
    if (ageMs > OLD_AFTER_MS) source.overOneSecond++;
    if (claim?.stale) source.stale++;
  }

  #historyOf(stock: number): StockHistory {
    let history = this.#histories.get(stock);
    if (history === undefined) {
      history = new StockHistory();
      this.#histories.set(stock, history);
    }
    return history;
  }
}

function problemsOf(reading: Reading, ageMs: number, quantity: number | undefined): string[] {
  const { strong, minVersion, version, claim } = reading;
  const broken: [string, boolean][] = [
    ['older than it says', claim !== undefined && ageMs > claim.maxAgeMs + CLOCK_SLACK_MS],
    ['older than 5 s and not stale', ageMs > STALE_AFTER_MS + CLOCK_SLACK_MS && claim?.stale !== true],
    ['its age and its mark disagree', claim !== undefined && claim.stale !== claim.maxAgeMs > STALE_AFTER_MS],
    ['its source and its mark disagree', claim !== undefined && claim.cached !== isCache(claim.source)],
    ['below the version asked for', version < minVersion],
    ['STRONG, and something acknowledged is missing', strong && ageMs > CLOCK_SLACK_MS],
    ['another quantity than was written', quantity !== undefined && quantity !== reading.quantity],
  ];
  return broken.filter(([, isBroken]) => isBroken).map(([problem]) => problem);
}

const isCache = (source: SourceName): boolean => source === 'LOCAL_CACHE' || source === 'SHARED_CACHE';

function story(
  { stock, startMs, minVersion, version, claim }: Reading,
  ageMs: number,
  history: StockHistory,
) {
  const told =
    claim === undefined
      ? 'not found'
      : `version ${version} from ${claim.source}, at most ${claim.maxAgeMs} ms old${claim.stale ? ', stale' : ''}`;
  const asked = minVersion > 0 ? `, version ${minVersion} asked for` : '';
  return `stock ${stock} read at ${startMs.toFixed(1)}${asked}: ${told}; truly ${ageMs.toFixed(1)} ms; acknowledged: ${history.around(version)}`;
}
