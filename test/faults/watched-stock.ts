import { setTimeout as pause } from 'node:timers/promises';
import type { Callers, Result } from '../../src/api/callers.js';
import { Consistency } from '../../src/gen/grpc/inventory/v1/inventory.js';

/** One answer to a read, with what was asked. */
export interface ReadSeen {
  readonly kind: 'DEFAULT' | 'MIN_VERSION' | 'STRONG';
  readonly sentMs: number;
  readonly endedMs: number;
  /** Asked for at least. */
  readonly minVersion: bigint;
  /** Code and reason, where there was no answer. */
  readonly failure: string | undefined;
  readonly version: bigint;
  readonly source: number;
  readonly maxAgeMs: number;
  readonly stale: boolean;
}

interface Written {
  readonly version: bigint;
  readonly ackedMs: number;
}

/**
 * One stock that one writer restocks without pause, and readers that ask for it in every way: so it is known at each
 * moment which version an answer must have.
 */
export class WatchedStock {
  readonly reads: ReadSeen[] = [];
  readonly writes: Written[] = [];
  writesFailed = 0;
  #stopped = false;
  readonly #running: Promise<unknown>[] = [];

  private constructor(
    private readonly callers: Callers,
    private readonly key: { readonly storeId: string; readonly productId: string },
  ) {}

  /** Makes the stock, and begins to write and read. */
  static async start(callers: Callers): Promise<WatchedStock> {
    const stock = new WatchedStock(callers, await callers.stockOf(1));
    stock.#running.push(stock.#repeat(() => stock.#write(), 10));
    for (const kind of ['DEFAULT', 'DEFAULT', 'MIN_VERSION', 'STRONG'] as const) {
      stock.#running.push(stock.#repeat(() => stock.#read(kind), 5));
    }
    return stock;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** The reads of a kind that were sent after a moment. */
  sentAfter(momentMs: number, kind: ReadSeen['kind']): ReadSeen[] {
    return this.reads.filter((read) => read.kind === kind && read.sentMs >= momentMs);
  }

  /** Reads that broke a promise, each in a sentence. */
  violations(): string[] {
    return this.reads.flatMap((read) => {
      if (read.failure !== undefined) return [];
      const told = `${read.kind} of version ${read.version} from ${read.source}, at most ${read.maxAgeMs} ms old`;
      const oldest = this.#ackedBefore(read.sentMs - read.maxAgeMs);
      const newest = read.kind === 'STRONG' ? this.#ackedBefore(read.sentMs) : 0n;
      return [
        read.version < oldest ? `${told}; version ${oldest} was acknowledged longer ago` : '',
        read.version < read.minVersion ? `${told}; version ${read.minVersion} was asked for` : '',
        read.version < newest ? `${told}; version ${newest} had been acknowledged` : '',
        read.stale === read.maxAgeMs > 5_000 ? '' : `${told}; stale: ${read.stale}`,
      ].filter((violation) => violation !== '');
    });
  }

  #ackedBefore(momentMs: number): bigint {
    return this.writes.findLast(({ ackedMs }) => ackedMs <= momentMs)?.version ?? 0n;
  }

  async #repeat(work: () => Promise<void>, pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      await work();
      await pause(pauseMs);
    }
  }

  async #write(): Promise<void> {
    const request = { ...this.key, quantity: 1, eventId: '', metadata: {} };
    const answer = await this.callers.overGrpc('Restock', request, { deadline: Date.now() + 5_000 });
    const { stock } = answer as { stock?: { version: bigint } };
    if (stock === undefined) this.writesFailed++;
    else this.writes.push({ version: stock.version, ackedMs: performance.now() });
  }

  async #read(kind: ReadSeen['kind']): Promise<void> {
    const sentMs = performance.now();
    const minVersion = kind === 'MIN_VERSION' ? (this.writes.at(-1)?.version ?? 0n) : 0n;
    const consistency = kind === 'STRONG' ? Consistency.STRONG : Consistency.UNSPECIFIED;
    const request = { ...this.key, consistency, minVersion };
    const answer = await this.callers.overGrpc('Get', request, { deadline: Date.now() + 5_000 });
    this.reads.push({ kind, sentMs, endedMs: performance.now(), minVersion, ...seenIn(answer) });
  }
}

function seenIn(answer: Result): Pick<ReadSeen, 'failure' | 'version' | 'source' | 'maxAgeMs' | 'stale'> {
  const { stock, source, maxAgeMs, stale } = answer as {
    stock?: { version: bigint };
    source: number;
    maxAgeMs: number;
    stale: boolean;
  };
  if (stock !== undefined) return { failure: undefined, version: stock.version, source, maxAgeMs, stale };
  const failure = `${answer.code} ${answer.reason ?? ''}`;
  return { failure, version: 0n, source: 0, maxAgeMs: 0, stale: false };
}
