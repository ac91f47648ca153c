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
