/** What is known of one stock from the acknowledgements of its writes. They must be told in the order of their times. */
export class StockHistory {
  /** Only those newer than all before: both versions and times ascend. */
  readonly #newest: { readonly version: number; readonly ackedMs: number }[] = [];
  readonly #quantities = new Map<number, number>();

  acknowledged(version: number, quantity: number, ackedMs: number): void {
    this.#quantities.set(version, quantity);
    if (version > this.newestVersion) this.#newest.push({ version, ackedMs });
  }

  /** 0 where nothing was acknowledged. */
  get newestVersion(): number {
    return this.#newest.at(-1)?.version ?? 0;
  }

  /** What was on hand at this version; undefined where its write was not acknowledged. */
  quantityAt(version: number): number | undefined {
    return this.#quantities.get(version);
  }

  /** When it was first known that there is a newer version than this one; undefined where it may be the newest. */
  outdatedSinceMs(version: number): number | undefined {
    let [low, high] = [0, this.#newest.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#newest[middle]!.version > version) high = middle;
      else low = middle + 1;
    }
    return this.#newest[low]?.ackedMs;
  }

  /** The newest versions around this one, to tell what happened: `version @ time of acknowledgement`. */
  around(version: number): string {
    const at = this.#newest.findIndex((each) => each.version > version);
    const shown = at < 0 ? this.#newest.slice(-3) : this.#newest.slice(Math.max(0, at - 2), at + 3);
    return shown.map((each) => `${each.version} @ ${each.ackedMs.toFixed(1)}`).join(', ');
  }
}
