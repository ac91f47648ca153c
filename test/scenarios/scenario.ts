import { randomUUID } from 'node:crypto';
import type { Answer, Command } from '../commands.js';
import type { Services } from '../services.js';

/**
 * Something that happens to services on one database, and what is to be seen of it. The tests run it on the services
 * as they are; those of the mutants show that it is seen when a mechanism is missing.
 */
export interface Scenario<Seen extends object = object> {
  readonly title: string;
  /** How many services it needs. */
  readonly processes: 1 | 2;
  readonly expected: Seen;
  readonly run: (services: Services) => Promise<Seen>;
}

/** A store of its own. */
export const newStore = (): string => `STORE ${randomUUID()}`;

export const sell = (storeId: string, productId: string, quantity = 1, eventId = randomUUID()): Command => ({
  ...{ rpc: 'Sell', storeId, productId, quantity, eventId },
});

export const restock = (
  storeId: string,
  productId: string,
  quantity: number,
  eventId = randomUUID(),
): Command => ({
  ...{ rpc: 'Restock', storeId, productId, quantity, eventId },
});

/** A new store with so many units of product A, or of each of these. */
export async function storeWith(services: Services, quantity: number, products = ['A']): Promise<string> {
  const storeId = newStore();
  for (const productId of products) await mustAccept(services.send(0, restock(storeId, productId, quantity)));
  return storeId;
}

export async function mustAccept(answer: Promise<Answer>): Promise<void> {
  const { refusal } = await answer;
  if (refusal !== '') throw new Error(`The scenario cannot begin: ${refusal}`);
}
