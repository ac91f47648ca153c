import type { Answer } from '../commands.js';
import { addsUp } from '../store-audit.js';
import { restock, type Scenario, sell, storeWith } from './scenario.js';

const outcome = ({ refusal, replayed }: Answer): string =>
  `${refusal || 'accepted'}${replayed ? ' again' : ''}`;

export const refusedBatch: Scenario = {
  title: 'an ATOMIC batch with a refusal, which comes again after a restock',
  processes: 1,
  expected: {
    outcomes: ['BATCH_REFUSED', 'INSUFFICIENT_STOCK'],
    again: ['BATCH_REFUSED again', 'INSUFFICIENT_STOCK again'],
    quantities: [2, 102],
    addsUp: true,
  },
  async run(services) {
    const storeId = await storeWith(services, 2, ['A', 'B']);
    const batch = [restock(storeId, 'A', 1), sell(storeId, 'B', 3)];
    const answers = await services.sendBatch(0, 'ATOMIC', batch);
    await services.send(0, restock(storeId, 'B', 100));
    const again = await services.sendBatch(0, 'ATOMIC', batch);
    const stocks = await services.audit(storeId);
    return {
      outcomes: answers.map(outcome),
      again: again.map(outcome),
      quantities: stocks.map(({ net }) => net),
      addsUp: stocks.every(addsUp),
    };
  },
};
