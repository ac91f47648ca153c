import { withConnection } from '../../src/dev/postgres-session.js';
import type { Answer } from '../commands.js';
import { addsUp } from '../store-audit.js';
import { restock, type Scenario, sell, storeWith } from './scenario.js';

export const killedBeforeCommit: Scenario = {
  title: 'a process that is killed while its transaction has not committed',
  processes: 1,
  expected: {
    acknowledged: 0,
    answer: 'UNAVAILABLE',
    eventsAfterKill: 0,
    sentAgain: { refusal: '', replayed: false },
    events: 1,
    addsUp: true,
  },
  async run(services) {
    const storeId = await storeWith(services, 10);
    const sale = sell(storeId, 'A');
    const answers: Answer[] = [];
    const acknowledged = await services.whileGateIsClosed(async (gate) => {
      const noted = services.send(0, sale).then((answer) => answers.push(answer));
      await gate.untilWaiting(1);
      await services.roundTrip(0);
      const beforeCommit = answers.length;
      await services.kill9(0);
      await noted;
      await gate.endWaiting();
      return beforeCommit;
    });
    const eventsAfterKill = await services.eventsOf(sale.eventId);
    await services.restart(0);
    const { refusal, replayed } = await services.send(0, sale);
    return {
      acknowledged,
      answer: answers[0]?.refusal,
      eventsAfterKill,
      sentAgain: { refusal, replayed },
      events: await services.eventsOf(sale.eventId),
      addsUp: (await services.audit(storeId)).every(addsUp),
    };
  },
};

/** Makes the database refuse every event of one product. */
const POISON = `
  ALTER TABLE event_log DROP CONSTRAINT IF EXISTS poison;
  ALTER TABLE event_log ADD CONSTRAINT poison CHECK (product_id <> 'POISON') NOT VALID`;

export const failedWrite: Scenario = {
  title: 'a command that the database refuses, in a batch with others',
  processes: 1,
  expected: {
    answers: ['', 'INTERNAL', ''],
    acknowledgedWithoutEvent: 0,
    addsUp: true,
  },
  async run(services) {
    await withConnection(services.databaseUrl, (client) => client.query(POISON));
    const storeId = await storeWith(services, 10);
    const commands = ['B', 'POISON', 'C'].map((productId) => restock(storeId, productId, 1));
    const answers = await services.whileGateIsClosed(async (gate) => {
      const occupant = services.send(0, sell(storeId, 'A'));
      await gate.untilWaiting(1);
      const batch = commands.map((command) => services.send(0, command));
      await services.untilQueued(0, batch.length);
      await gate.open();
      await occupant;
      return await Promise.all(batch);
    });
    const events = await Promise.all(commands.map(({ eventId }) => services.eventsOf(eventId)));
    return {
      answers: answers.map(({ refusal }) => refusal),
      acknowledgedWithoutEvent: answers.filter(({ refusal }, i) => refusal === '' && events[i] === 0).length,
      addsUp: (await services.audit(storeId)).every(addsUp),
    };
  },
};

export const lateCommand: Scenario = {
  title: 'a command whose deadline passes while it waits',
  processes: 1,
  expected: { answer: 'DEADLINE_EXCEEDED', events: 0, quantity: 8 },
  async run(services) {
    const storeId = await storeWith(services, 10);
    const late = sell(storeId, 'A', 5);
    const before = await services.lateSales(0);
    const answer = await services.whileGateIsClosed(async (gate) => {
      const occupant = services.send(0, sell(storeId, 'A'));
      await gate.untilWaiting(1);
      const waiting = services.send(0, late, 'GRPC', 400);
      await services.untilQueued(0, 1);
      const given = await waiting;
      await services.untilLate(0, before);
      await gate.open();
      await occupant;
      return given;
    });
    const { quantity } = await services.send(0, sell(storeId, 'A'));
    return { answer: answer.refusal, events: await services.eventsOf(late.eventId), quantity };
  },
};
