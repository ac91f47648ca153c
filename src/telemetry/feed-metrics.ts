import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What is measured about the feed. The first three have the shape that the tail calls. */
export interface FeedMetrics {
  polled(changes: number, seconds: number): void;
  failed(error: unknown): void;
  restarted(cause: string): void;
  /** Counts hints of commits to and from other processes: sent, lost, received. */
  hint(direction: string): void;
  /** Counts what was sent to who watches. */
  sent(changes: number, skippedVersions: number): void;
  /** Counts streams that could not go on. */
  resynced(): void;
  /** Asked at each scrape: streams that are open. */
  observeWatches(read: () => number): void;
  /** Asked at each scrape: seconds since the watermark; undefined while there is none. */
  observeLag(read: () => number | undefined): void;
}

const POLL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export function feedMetrics(registry: Registry): FeedMetrics {
  const registers = [registry];
  const polls = new Histogram({
    name: 'onhand_feed_poll_seconds',
    help: 'From a poll of the event log until its changes are delivered in this process',
    buckets: POLL_BUCKETS,
    registers,
  });
  const failures = new Counter({
    name: 'onhand_feed_poll_failures_total',
    help: 'Polls of the event log that had no answer; the next one goes on from the same place',
    registers,
  });
  const changes = new Counter({
    name: 'onhand_feed_changes_total',
    help: 'Changes of stocks that the feed delivered in this process',
    registers,
  });
  const restarts = new Counter({
    name: 'onhand_feed_restarts_total',
    help: 'Times that the feed began anew, by cause: too much at once, or a failover that may have lost something',
    labelNames: ['cause'],
    registers,
  });
  const hints = new Counter({
    name: 'onhand_feed_hints_total',
    help: 'Hints of commits to and from other processes, through Redis: sent, lost, received',
    labelNames: ['direction'],
    registers,
  });
  const sent = new Counter({
    name: 'onhand_watch_changes_total',
    help: 'Changes that were sent to streams of Watch',
    registers,
  });
  const skipped = new Counter({
    name: 'onhand_watch_skipped_versions_total',
    help: 'Changes that were left out because their stream was not read in time',
    registers,
  });
  const resyncs = new Counter({
    name: 'onhand_watch_resyncs_total',
    help: 'Streams of Watch that could not go on from where they stood',
    registers,
  });
  return {
    polled(count, seconds) {
      polls.observe(seconds);
      changes.inc(count);
    },
    failed: () => failures.inc(),
    restarted: (cause) => restarts.inc({ cause }),
    hint: (direction) => hints.inc({ direction }),
    sent(count, skippedVersions) {
      sent.inc(count);
      skipped.inc(skippedVersions);
    },
    resynced: () => resyncs.inc(),
    observeWatches(read) {
      new Gauge({
        name: 'onhand_watches',
        help: 'Streams of Watch that are open',
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    observeLag(read) {
      new Gauge({
        name: 'onhand_feed_lag_seconds',
        help: 'Age of the watermark: all that was committed earlier has been delivered; NaN while that is not known',
        registers,
        collect() {
          this.set(read() ?? Number.NaN);
        },
      });
    },
  };
}
