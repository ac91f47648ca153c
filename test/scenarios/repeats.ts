import { randomUUID } from 'node:crypto';
import { type Answer, tally } from '../commands.js';
import type { Services } from '../services.js';
import { addsUp } from '../store-audit.js';
import { restock, type Scenario, sell, storeWith } from './scenario.js';

/** What is seen of commands with the same event id. */
interface Repeated {
  readonly answers: Record<string, number>;
  readonly replayed: number;
  /** How many different answers there are, whether they are replays apart. */
  readonly outcomes: number;
  readonly events: number;
  readonly addsUp: boolean;
}

const outcomesOf = (answers: readonly Answer[]): number =>
  new Set(answers.map((answer) => JSON.stringify({ ...answer, replayed: undefined }))).size;

async function seen(
  services: Services,
  storeId: string,
  eventId: string,
  answers: readonly Answer[],
): Promise<Repeated> {
  return {
    answers: tally(answers),
    replayed: answers.filter(({ replayed }) => replayed).length,
    outcomes: outcomesOf(answers),
    events: await services.eventsOf(eventId),
    addsUp: (await services.audit(storeId)).every(addsUp),
  };
}

export const oneIdInTwoProcesses: Scenario<Repeated & { collisions: number }> = {
  title: 'one event id five times at once, in two processes',
  processes: 2,
  expected: { answers: { accepted: 5 }, replayed: 4, outcomes: 1, events: 1, addsUp: true, collisions: 0 },
  async run(services) {
    const storeId = await storeWith(services, 10);
    const before = await services.collisions();
    const sale = sell(storeId, 'A', 2);
    const answers = await services.whileGateIsClosed(async (gate) => {
      const first = services.send(0, sale);
      await gate.untilWaiting(1);
      const second = services.send(1, sale);
      await gate.untilWaiting(2);
      const others = [services.send(0, sale), services.send(0, sale), services.send(1, sale)];
      await Promise.all([services.untilQueued(0, 2), services.untilQueued(1, 1)]);
      await gate.open();
      return await Promise.all([first, second, ...others]);
    });
    const collisions = (await services.collisions()) - before;
    return { ...(await seen(services, storeId, sale.eventId, answers)), collisions };
  },
};

export const oneIdInOneBatch: Scenario<Repeated> = {
  title: 'one event id three times in one batch',
  processes: 1,
  expected: { answers: { accepted: 3 }, replayed: 2, outcomes: 1, events: 1, addsUp: true },
  async run(services) {
    const storeId = await storeWith(services, 10);
    const sale = sell(storeId, 'A', 2);
    const answers = await services.whileGateIsClosed(async (gate) => {
      const occupant = services.send(0, sell(storeId, 'A'));
      await gate.untilWaiting(1);
      const batch = Array.from({ length: 3 }, () => services.send(0, sale));
      await services.untilQueued(0, batch.length);
      await gate.open();
      await occupant;
      return await Promise.all(batch);
    });
    return await seen(services, storeId, sale.eventId, answers);
  },
};

export const oneIdForTwoProducts: Scenario<Repeated> = {
  title: 'one event id at once for two products, in two processes',
  processes: 2,
  expected: {
    answers: { accepted: 1, EVENT_ID_REUSED: 1 },
    replayed: 0,
    outcomes: 2,
    events: 1,
    addsUp: true,
  },
  async run(services) {
    const storeId = await storeWith(services, 10, ['A', 'B']);
    const eventId = randomUUID();
    const answers = await services.whileGateIsClosed(async (gate) => {
      const both = [
        services.send(0, sell(storeId, 'A', 2, eventId)),
        services.send(1, sell(storeId, 'B', 2, eventId)),
      ];
      await gate.untilWaiting(2);
      await gate.open();
      return await Promise.all(both);
    });
    return await seen(services, storeId, eventId, answers);
  },
};

export const anotherPayload: Scenario<Repeated> = {
  title: 'an event id that comes again with another quantity, product or type',
  processes: 2,
  expected: {
    answers: { accepted: 1, EVENT_ID_REUSED: 3 },
    replayed: 0,
    outcomes: 2,
    events: 1,
    addsUp: true,
  },
  async run(services) {
    const storeId = await storeWith(services, 10, ['A', 'B']);
    const eventId = randomUUID();
    const answers = [
      await services.send(0, sell(storeId, 'A', 2, eventId)),
      await services.send(1, sell(storeId, 'A', 3, eventId)),
      await services.send(0, sell(storeId, 'B', 2, eventId), 'CONNECT'),
      await services.send(1, restock(storeId, 'A', 2, eventId), 'REST'),
    ];
    return await seen(services, storeId, eventId, answers);
  },
};

export const refusalRepeated: Scenario<Repeated> = {
  title: 'a refused sale that comes again after a restock, its event id in upper case',
  processes: 2,
  expected: { answers: { INSUFFICIENT_STOCK: 2 }, replayed: 1, outcomes: 1, events: 1, addsUp: true },
  async run(services) {
    const storeId = await storeWith(services, 2);
    const sale = sell(storeId, 'A', 5);
    const refused = await services.send(0, sale);
    await services.send(0, restock(storeId, 'A', 100));
    const again = await services.send(1, { ...sale, eventId: sale.eventId.toUpperCase() }, 'REST');
    return await seen(services, storeId, sale.eventId, [refused, again]);
  },
};
