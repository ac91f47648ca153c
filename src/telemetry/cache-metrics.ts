import { Counter, Gauge, type Registry } from 'prom-client';

/** What is measured about the caches and the reads of the database behind them. */
export interface CacheMetrics {
  /** Counts copies asked of the shared cache or put in, by outcome: hit, miss, written, failed. */
  shared(outcome: string, copies: number): void;
  /** A breaker has opened. */
  breakerOpened(name: string): void;
  /** Asked at each scrape: each breaker's state, closed, half_open or open. */
  observeBreakers(read: () => Iterable<readonly [name: string, state: keyof typeof STATES]>): void;
  /** Asked at each scrape: stocks in this process's memory. */
  observeEntries(read: () => number): void;
  /** Asked at each scrape: reads at each database server. */
  observeReads(read: () => Iterable<GateState>): void;
}

interface GateState {
  readonly node: string;
  readonly gate: { readonly running: number; readonly waiting: number };
}

const STATES = { closed: 0, half_open: 1, open: 2 } as const;

export function cacheMetrics(registry: Registry): CacheMetrics {
  const registers = [registry];
  const copies = new Counter({
    name: 'onhand_shared_cache_copies_total',
    help: 'Copies of stocks asked of Redis or put in, by outcome: hit, miss, written, failed',
    labelNames: ['outcome'],
    registers,
  });
  const openings = new Counter({
    name: 'onhand_breaker_openings_total',
    help: 'Times that a breaker around Redis opened',
    labelNames: ['breaker'],
    registers,
  });
  return {
    shared: (outcome, count) => copies.inc({ outcome }, count),
    breakerOpened: (breaker) => openings.inc({ breaker }),
    observeBreakers(read) {
      for (const [breaker] of read()) openings.inc({ breaker }, 0);
      new Gauge({
        name: 'onhand_breaker_state',
        help: 'The breakers around Redis: 0 closed, 1 half open, 2 open',
        labelNames: ['breaker'],
        registers,
        collect() {
          for (const [breaker, state] of read()) this.set({ breaker }, STATES[state]);
        },
      });
    },
    observeEntries(read) {
      new Gauge({
        name: 'onhand_local_cache_entries',
        help: 'Stocks in the memory of this process',
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    observeReads(read) {
      new Gauge({
        name: 'onhand_database_reads',
        help: 'Reads of callers at each database server that run, and that wait for others to end',
        labelNames: ['node', 'state'],
        registers,
        collect() {
          for (const { node, gate } of read()) {
            this.set({ node, state: 'running' }, gate.running);
            this.set({ node, state: 'waiting' }, gate.waiting);
          }
        },
      });
    },
  };
}
