import { quantile } from '../../bench/statistics.js';
import { complain } from '../../src/dev/terminal.js';
import type { RecordedCall, Try } from '../load/journal.js';

/** Says what a test has seen; jest shows only whether it passed. */
export function note(line: string): void {
  complain(`      ${line}`);
}

export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The tries that were sent within this time, on the journal's clock. */
export const triesSentIn = (calls: readonly RecordedCall[], { fromMs, toMs }: Interval): Try[] =>
  calls.flatMap(({ tries }) => tries).filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs);

export const succeeded = ({ results }: Try): boolean => results !== undefined;

/** How long the tries took, in milliseconds, ascending. */
export const latenciesMs = (tries: readonly Try[]): number[] =>
  tries
    .flatMap(({ sentMs, endedMs }) => (endedMs === undefined ? [] : [endedMs - sentMs]))
    .sort((a, b) => a - b);

export const p50Ms = (tries: readonly Try[]): number => Math.round(quantile(latenciesMs(tries), 0.5));
export const p99Ms = (tries: readonly Try[]): number => Math.round(quantile(latenciesMs(tries), 0.99));

/** How many tries failed how: `UNAVAILABLE DATABASE_UNAVAILABLE`; without a reason where it did not come from the service. */
export function failuresByReason(tries: readonly Try[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { failure } of tries) {
    if (failure === undefined) continue;
    const name = `${failure.code} ${failure.reason}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Milliseconds from a moment to the first answer after it that accepts something. */
export function firstAcceptedAfterMs(calls: readonly RecordedCall[], momentMs: number): number {
  const ends = calls
    .flatMap(({ tries }) => tries)
    .filter(({ results, endedMs }) => endedMs !== undefined && results?.some(({ accepted }) => accepted))
    .map(({ endedMs }) => endedMs! - momentMs)
    .filter((afterMs) => afterMs >= 0);
  return Math.min(...ends);
}

/** A bound on time, and whether what was measured keeps it. */
export interface TimeBound {
  readonly what: string;
  readonly kept: boolean;
}

/**
 * Measures up to three times, until every bound on time is kept: the machine may be busy with something else for a while.
 * What is no bound on time has to hold at each measurement; the measurement itself checks that.
 */
export async function expectInTime(
  measure: (attempt: number) => Promise<readonly TimeBound[]>,
): Promise<void> {
  const attempts = 3;
  for (let attempt = 1; ; attempt++) {
    const broken = (await measure(attempt)).filter(({ kept }) => !kept).map(({ what }) => what);
    if (broken.length > 0) note(`not in time: ${broken.join('; ')}`);
    if (broken.length === 0) return;
    if (attempt === attempts) throw new Error(`Not in time, ${attempts} times: ${broken.join('; ')}`);
  }
}
