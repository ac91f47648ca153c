import { Counter, Gauge, type Registry } from 'prom-client';

/** What is measured about stores' streams. The first two have the shape that the streams call. */
export interface SyncMetrics {
  /** Counts messages of stores' logs that were acknowledged, and their operations. */
  acknowledged(operations: number, replayed: boolean): void;
  /** Counts streams that a newer one of their store has ended. */
  superseded(): void;
  /** Asked at each scrape: streams that are open. */
  observeStreams(read: () => number): void;
}

export function syncMetrics(registry: Registry): SyncMetrics {
  const registers = [registry];
  const messages = new Counter({
    name: 'onhand_sync_messages_total',
    help: "Messages of stores' logs that were acknowledged: applied, or replayed where they had been before",
    labelNames: ['outcome'],
    registers,
  });
  const operations = new Counter({
    name: 'onhand_sync_operations_total',
    help: 'Operations in these messages',
    labelNames: ['outcome'],
    registers,
  });
  const superseded = new Counter({
    name: 'onhand_sync_superseded_total',
    help: 'Streams of stores that a newer one of the same store has ended',
    registers,
  });
  return {
    acknowledged(count, replayed) {
      const outcome = replayed ? 'replayed' : 'applied';
      messages.inc({ outcome });
      operations.inc({ outcome }, count);
    },
    superseded: () => superseded.inc(),
    observeStreams(read) {
      new Gauge({
        name: 'onhand_sync_streams',
        help: 'Streams of stores that are open',
        registers,
        collect() {
          this.set(read());
        },
      });
    },
  };
}
