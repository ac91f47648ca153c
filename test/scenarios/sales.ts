import { TRANSPORTS } from '../../src/api/rpcs.js';
import { tally } from '../commands.js';
import { addsUp } from '../store-audit.js';
import { type Scenario, sell, storeWith } from './scenario.js';

/** What is seen after sales of one stock. */
interface Sold {
  readonly answers: Record<string, number>;
  readonly quantity: number | undefined;
  readonly sales: number | undefined;
  readonly addsUp: boolean;
}

export const twoHundredSales: Scenario<Sold> = {
  title: '200 sales at once of a stock of 50, over all transports, through two processes',
  processes: 2,
  expected: {
    answers: { accepted: 50, INSUFFICIENT_STOCK: 150 },
    quantity: 0,
    sales: 200,
    addsUp: true,
  },
  async run(services) {
    const storeId = await storeWith(services, 50);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        services.send(index % 2 === 0 ? 0 : 1, sell(storeId, 'A'), TRANSPORTS[index % TRANSPORTS.length]),
      ),
    );
    const [stock] = await services.audit(storeId);
    return {
      answers: tally(answers),
      quantity: stock?.net,
      sales: stock?.sales,
      addsUp: stock !== undefined && addsUp(stock),
    };
  },
};

export const lastUnits: Scenario<Sold> = {
  title: 'sales of the last units that meet, in two processes and in one batch',
  processes: 2,
  expected: { answers: { accepted: 3, INSUFFICIENT_STOCK: 3 }, quantity: 0, sales: 6, addsUp: true },
  async run(services) {
    const storeId = await storeWith(services, 3);
    const answers = await services.whileGateIsClosed(async (gate) => {
      const first = services.send(0, sell(storeId, 'A'));
      await gate.untilWaiting(1);
      const second = services.send(1, sell(storeId, 'A'));
      await gate.untilWaiting(2);
      const batch = Array.from({ length: 4 }, () => services.send(0, sell(storeId, 'A')));
      await services.untilQueued(0, batch.length);
      await gate.open();
      return await Promise.all([first, second, ...batch]);
    });
    const [stock] = await services.audit(storeId);
    return {
      answers: tally(answers),
      quantity: stock?.net,
      sales: stock?.sales,
      addsUp: stock !== undefined && addsUp(stock),
    };
  },
};
