/** As likely as in YCSB: the first of 100,000 comes in about one of 12 draws, the first 5,000 in three of four. */
const EXPONENT = 0.99;

/** Draws numbers from 0 to count - 1, the lower the likelier: the n-th comes in proportion to 1 / n^0.99. */
export function zipf(count: number): () => number {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += 1 / (rank + 1) ** EXPONENT;
    upTo[rank] = sum;
  }
  return () => firstAbove(upTo, Math.random() * sum);
}

/** The place of the first number above the value, in ascending numbers. */
function firstAbove(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
