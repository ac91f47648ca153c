import { credentials } from '@grpc/grpc-js';
import { Source } from '../src/gen/grpc/inventory/v1/inventory.js';
import { InventoryServiceClient } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { nextGet, nextSell } from './requests.js';

/** What one process of the mixed load is asked to do, once per message. */
export interface ReadLoadPlan {
  readonly address: string;
  readonly inFlight: number;
  readonly seconds: number;
  /** The share of the calls that are reads; the others are sales. */
  readonly readShare: number;
}

/** What came of it: how long each call took, in milliseconds, by the source of the answer; sales under SALE. */
export interface ReadLoadResult {
  readonly tookMs: Readonly<Record<string, number[]>>;
  readonly errors: number;
}

/**
 * A child of the benchmark: reads and sales of stocks, Zipf over 100,000, by grpc-js clients, as callers do them. It reads the
 * answers, for what they say of their source.
 */
class ReadLoad {
  readonly #client: InventoryServiceClient;
  readonly #tookMs: Record<string, number[]> = {};
  #errors = 0;

  constructor(private readonly plan: ReadLoadPlan) {
    this.#client = new InventoryServiceClient(plan.address, credentials.createInsecure());
  }

  async run(): Promise<ReadLoadResult> {
    const untilMs = performance.now() + this.plan.seconds * 1000;
    await Promise.all(Array.from({ length: this.plan.inFlight }, () => this.#call(untilMs)));
    this.#client.close();
    return { tookMs: this.#tookMs, errors: this.#errors };
  }

  async #call(untilMs: number): Promise<void> {
    for (;;) {
      const sentMs = performance.now();
      if (sentMs >= untilMs) return;
      const source = await (Math.random() < this.plan.readShare ? this.#get() : this.#sell());
      if (source === undefined) this.#errors++;
      else this.#took(source, performance.now() - sentMs);
    }
  }

  #took(source: string, ms: number): void {
    this.#tookMs[source] ??= [];
    this.#tookMs[source].push(ms);
  }

  #get(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#client.get(nextGet({ rpc: 'get', spread: 'zipf' }), (error, response) =>
        resolve(error === null ? Source[response.source] : undefined),
      );
    });
  }

  #sell(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#client.sell(nextSell('zipf'), (error) => resolve(error === null ? 'SALE' : undefined));
    });
  }
}

process.on('message', async (plan: ReadLoadPlan) => {
  process.send?.(await new ReadLoad(plan).run());
});
process.on('disconnect', () => process.exit());
