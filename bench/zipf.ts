/** Draws ranks from 0 on, of which few come often: the n-th in proportion to 1 / n^exponent. */
export class Zipf {
  readonly #upTo: Float64Array;

  /** @param exponent 0: all the same; 0.99, as in YCSB: of 100,000 the first 5,000 in three of four draws. */
  constructor(count: number, exponent: number) {
    this.#upTo = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += 1 / (rank + 1) ** exponent;
      this.#upTo[rank] = sum;
    }
  }

  /** @param random from 0 to 1, without 1. */
  rankAt(random: number): number {
    const wanted = random * this.#upTo.at(-1)!;
    let [low, high] = [0, this.#upTo.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#upTo[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
