/** Where an answer was read, the nearest first. */
export type Source = 'LOCAL_CACHE' | 'SHARED_CACHE' | 'REPLICA' | 'PRIMARY';

/** How fresh an answer is: it holds everything committed up to `maxAgeMs` ago. */
export interface Freshness {
  readonly source: Source;
  readonly cached: boolean;
  readonly maxAgeMs: number;
  /** It may be older than 5 s, because nothing fresher can be reached. */
  readonly stale: boolean;
}

export type FallbackCause = 'FAILED' | 'FULL' | 'LATE' | 'BEHIND' | 'INCOMPLETE' | 'NOT_PRIMARY';

/** What reads tell about themselves. */
export interface ReadObserver {
  /** A read was answered out of this source; of several stocks out of the furthest one. */
  answered(source: Source): void;
  /** A server was asked and its answer would not do, or did not come in the time that its caller had for it (LATE). */
  fellBack(node: string, cause: FallbackCause): void;
}

const STALE_AFTER_MS = 5_000;
/** The age of an answer whose age nobody can tell. */
const UNKNOWN_AGE_MS = 2 ** 31 - 1;

const NEAREST_FIRST: readonly Source[] = ['LOCAL_CACHE', 'SHARED_CACHE', 'REPLICA', 'PRIMARY'];

/** @param ageMs infinite where it is not known. */
export const freshnessOf = (source: Source, ageMs: number): Freshness => ({
  source,
  cached: source === 'LOCAL_CACHE' || source === 'SHARED_CACHE',
  maxAgeMs: Math.min(Math.ceil(ageMs), UNKNOWN_AGE_MS),
  stale: ageMs > STALE_AFTER_MS,
});

/** How fresh an answer is that has these parts: as the furthest source, and the highest age. */
export function furthestOf(parts: readonly Freshness[]): Freshness {
  const source = NEAREST_FIRST.findLast((each) => parts.some((part) => part.source === each));
  if (source === undefined) throw new Error('an answer without parts has no source');
  return freshnessOf(source, Math.max(...parts.map(({ maxAgeMs }) => maxAgeMs)));
}
