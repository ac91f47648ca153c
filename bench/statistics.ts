/**
 * The smallest value that at least `share` of all are not above.
 *
 * @param sorted in ascending order
 * @param share 0 to 1; 0.5 gives the median
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const index = Math.min(Math.max(Math.ceil(sorted.length * share) - 1, 0), sorted.length - 1);
  return sorted[index] ?? Number.NaN;
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** The level at which what is measured comes out highest. */
export async function bestLevel(
  levels: readonly number[],
  measure: (level: number) => Promise<number>,
): Promise<number> {
  let winner = { level: levels[0] ?? 1, rate: 0 };
  for (const level of levels) {
    const rate = await measure(level);
    if (rate > winner.rate) winner = { level, rate };
  }
  return winner.level;
}
