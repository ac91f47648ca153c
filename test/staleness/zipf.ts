import type { SeededRandom } from '../feed/seeded-random.js';

/** Picks numbers from 0 on, each with a share that falls with its rank; which number has which rank looks like chance. */
export class Zipf {
  readonly #cumulative: Float64Array;
  readonly #byRank: Uint32Array;

  /** @param exponent 0: all the same; 1: the first twice as often as the second, three times as often as the third. */
  constructor(count: number, exponent: number, random: SeededRandom) {
    this.#byRank = Uint32Array.from({ length: count }, (_, index) => index);
    this.#cumulative = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += 1 / (rank + 1) ** exponent;
      this.#cumulative[rank] = sum;
      const other = rank + random.below(count - rank);
      const [a, b] = [this.#byRank[rank]!, this.#byRank[other]!];
      this.#byRank[rank] = b;
      this.#byRank[other] = a;
    }
  }

  pick(random: SeededRandom): number {
    const wanted = random.next() * this.#cumulative.at(-1)!;
    let [low, high] = [0, this.#cumulative.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#cumulative[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return this.#byRank[low]!;
  }
}
