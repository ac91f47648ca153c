import { setTimeout as pause } from 'node:timers/promises';
import { type Onhand, OnhandError } from '@onhand/client';
import type { SeededRandom } from '../../test/feed/seeded-random.js';
import { readDeeds } from './store-deeds.js';

/** What others do in the stores meanwhile: deliveries and sales that go straight to the service. */
export class OnlineSales {
  /** Commands that were accepted. */
  done = 0;
  #running = true;
  readonly #ended: Promise<void>;

  /** @param perSecond about so many commands in all stores together */
  constructor(
    private readonly onhand: Onhand,
    private readonly storeIds: readonly string[],
    private readonly random: SeededRandom,
    perSecond: number,
  ) {
    this.#ended = this.#run(1_000 / perSecond);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
  }

  async #run(pauseMs: number): Promise<void> {
    const deeds = await readDeeds(this.storeIds.length);
    while (this.#running) {
      const store = this.random.below(this.storeIds.length);
      // Among what is sold first, so that both sides move the same stocks.
      const { productId } = this.random.pick(deeds[store]!.slice(0, 200));
      await this.#move(this.storeIds[store]!, productId);
      await pause(pauseMs);
    }
  }

  async #move(storeId: string, productId: string): Promise<void> {
    const change = { storeId, productId, quantity: 1 + this.random.below(9) };
    try {
      if (this.random.chance(0.5)) await this.onhand.restock(change);
      else await this.onhand.sell(change);
      this.done++;
    } catch (error) {
      // Too little in stock is an answer; while the service is away there is none.
      if (!(error instanceof OnhandError)) throw error;
    }
  }
}
