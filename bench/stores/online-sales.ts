import { setTimeout as pause } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { BatchMode, type Change, type Onhand, OnhandError, OperationType } from '@onhand/client';
import type { SeededRandom } from '../../test/feed/seeded-random.js';
import { readDeeds } from './store-deeds.js';

/** What became of the commands so far. */
export interface OnlineCounts {
  /** Accepted. */
  readonly done: number;
  /** Refused by a rule: too little on hand, or nothing known. */
  readonly refused: number;
  /** Given up, since the service was away: nobody knows whether they took effect. */
  readonly unanswered: number;
}

const COUNT_SHARE = 0.25;
const REFUSALS: readonly OnhandError['reason'][] = ['INSUFFICIENT_STOCK', 'STOCK_NOT_FOUND', 'STOCK_LIMIT'];

/** What others do in the stores meanwhile: deliveries, sales and counts that go straight to the service. */
export class OnlineSales {
  readonly #counts = { done: 0, refused: 0, unanswered: 0 };
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
    // It is told by stop().
    this.#ended.catch(() => undefined);
  }

  get counts(): OnlineCounts {
    return { ...this.#counts };
  }

  /** @throws Error what one of them failed with: they end there, for such an answer is a defect. */
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

  /** What the store sold before and sends later is absorbed by it. */
  async #count({ storeId, productId, quantity }: Change): Promise<void> {
    const operations = [{ productId, quantity, type: OperationType.COUNT }];
    await this.onhand.apply({ storeId, mode: BatchMode.ATOMIC, operations });
  }

  async #move(storeId: string, productId: string): Promise<void> {
    const change = { storeId, productId, quantity: 1 + this.random.below(9) };
    try {
      if (this.random.chance(COUNT_SHARE)) await this.#count(change);
      else if (this.random.chance(0.5)) await this.onhand.restock(change);
      else await this.onhand.sell(change);
      this.#counts.done++;
    } catch (error) {
      if (!(error instanceof OnhandError)) throw error;
      if (REFUSALS.includes(error.reason)) this.#counts.refused++;
      else if (error.code === status.UNAVAILABLE) this.#counts.unanswered++;
      else
        throw new Error(`An online command failed with ${error.reason}: ${error.message}`, { cause: error });
    }
  }
}
