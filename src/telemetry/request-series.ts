import { Counter, type Histogram, type Registry } from 'prom-client';

/**
 * A counter and a histogram for the way of every request: to count is an addition. prom-client's own make a text of the
 * labels each time, which would cost as much as all else that a cached read does.
 */

type Labels = Readonly<Record<string, string>>;

interface Series {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** Hands what was counted to a prom-client counter at each scrape. */
export class FastCounter {
  readonly #children: { readonly labels: Labels; count: number }[] = [];

  constructor(series: Series, registry: Registry) {
    const children = this.#children;
    new Counter({
      ...series,
      registers: [registry],
      collect() {
        for (const child of children) {
          this.inc(child.labels, child.count);
          child.count = 0;
        }
      },
    });
  }

  /** Made once for each set of labels. */
  child(labels: Labels): () => void {
    const child = { labels, count: 0 };
    this.#children.push(child);
    return () => {
      child.count++;
    };
  }
}

interface Observations {
  readonly labels: Labels;
  /** By bucket; the last one is for what is above all bounds. */
  readonly counts: number[];
  sum: number;
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export class FastHistogram {
  readonly #children: Observations[] = [];
  readonly name: string;

  /** @param bounds of the buckets, ascending. */
  constructor(
    private readonly series: Series,
    private readonly bounds: readonly number[],
    registry: Registry,
  ) {
    this.name = series.name;
    // A registry asks nothing of its metrics but their name and get().
    registry.registerMetric(this as unknown as Histogram);
  }

  /** Made once for each set of labels. */
  child(labels: Labels): (value: number) => void {
    const { bounds } = this;
    const child: Observations = { labels, counts: new Array(bounds.length + 1).fill(0), sum: 0 };
    this.#children.push(child);
    return (value) => {
      let bucket = 0;
      while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
      child.counts[bucket]!++;
      child.sum += value;
    };
  }

  /** For the registry. */
  async get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }> {
    const { name, help } = this.series;
    const values = this.#children.flatMap((child) => this.#samplesOf(child));
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }

  #samplesOf({ labels, counts, sum }: Observations): Sample[] {
    let count = 0;
    const buckets = counts.map((inBucket, index) => {
      count += inBucket;
      const le = this.bounds[index] ?? '+Inf';
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
