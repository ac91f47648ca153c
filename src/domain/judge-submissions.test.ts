import { describe, expect, test } from '@jest/globals';
import { type Found, judgeSubmissions, type Verdict } from './judge-submissions.js';
import type { BatchMode, Command, Outcome, StockRow } from './types.js';

const NOW_US = 1_700_000_000_000_000;
const EARLIER_US = NOW_US - 60_000_000;

let nextId = 0;

const command = (
  type: Command['type'],
  productId: string,
  quantity: number,
  more: Partial<Command> = {},
): Command => ({
  storeId: 'S',
  productId,
  eventId: `id-${nextId++}`,
  type,
  quantity,
  occurredTimeUs: undefined,
  operationReason: undefined,
  actor: 'anonymous',
  origin: 'GRPC',
  metadata: {},
  ...more,
});

const stock = (productId: string, net: number): StockRow => ({
  storeId: 'S',
  productId,
  net,
  version: 7n,
  createTimeUs: 1,
  updateTimeUs: 2,
});

const found = (...stocks: StockRow[]): Found => ({
  stocks,
  events: [],
  counts: [],
  lastCounts: [],
  otherIds: new Map(),
  nowUs: NOW_US,
});

/** What came of submissions none of which was refused whole. */
const taken = (verdict: Verdict) => verdict.outcomes as readonly (readonly Outcome[])[];

const judge = (mode: BatchMode, commands: Command[], on: Found) => {
  const verdict = judgeSubmissions([{ commands, mode }], on);
  return { ...verdict, outcomes: taken(verdict)[0]! };
};

/** `+` for what took effect, else why not; `=` behind it for a replay. */
const inShort = (outcomes: readonly Outcome[]): string[] =>
  outcomes.map((outcome) => {
    if (outcome.kind !== 'DECIDED') return outcome.kind;
    return `${outcome.event.reason ?? '+'}${outcome.replayed ? '=' : ''}`;
  });

describe('INDEPENDENT', () => {
  test('operations see those before them; one that is refused holds up none', () => {
    const commands = [
      command('SALE', 'A', 3),
      command('SALE', 'A', 3),
      command('RESTOCK', 'A', 2),
      command('SALE', 'A', 3),
      command('SALE', 'NONE', 1),
      command('RETURN', 'NONE', 1),
      command('SALE', 'NONE', 1),
    ];
    const { outcomes, events, stocks } = judge('INDEPENDENT', commands, found(stock('A', 5)));
    expect(inShort(outcomes)).toEqual(['+', 'INSUFFICIENT_STOCK', '+', '+', 'STOCK_NOT_FOUND', '+', '+']);
    expect(events.map((event) => event.version)).toEqual([8n, 8n, 9n, 10n, 1n, 2n]);
    expect(stocks.map(({ productId, net, version }) => [productId, net, version])).toEqual([
      ['A', 1, 10n],
      ['NONE', 0, 2n],
    ]);
  });

  test('a repeat inside the batch is a replay; another payload is refused', () => {
    const first = command('SALE', 'A', 3);
    const { outcomes, events } = judge(
      'INDEPENDENT',
      [first, { ...first }, { ...first, quantity: 2 }],
      found(stock('A', 9)),
    );
    expect(inShort(outcomes)).toEqual(['+', '+=', 'EVENT_ID_REUSED']);
    expect(events).toHaveLength(1);
  });
});

describe('ATOMIC', () => {
  test('all take effect where all can', () => {
    const { outcomes, stocks } = judge(
      'ATOMIC',
      [command('RESTOCK', 'NEW', 5), command('SALE', 'NEW', 5), command('WASTE', 'A', 1)],
      found(stock('A', 1)),
    );
    expect(inShort(outcomes)).toEqual(['+', '+', '+']);
    expect(stocks.map(({ net }) => net)).toEqual([0, 0]);
  });

  const lines = [command('SALE', 'A', 5), command('SALE', 'A', 5), command('RESTOCK', 'NEW', 1)];
  const refused = judge('ATOMIC', lines, found(stock('A', 8)));

  test('any refusal changes nothing; the offender is named, the others are recorded as refused with it', () => {
    expect(inShort(refused.outcomes)).toEqual(['BATCH_REFUSED', 'INSUFFICIENT_STOCK', 'BATCH_REFUSED']);
    expect(refused.stocks).toEqual([]);
    expect(
      refused.events.map(({ netBefore, netAfter, judgedNet, version }) => [
        netBefore,
        netAfter,
        judgedNet,
        version,
      ]),
    ).toEqual([
      [8, 8, undefined, 7n],
      [8, 8, 3, 7n],
      [0, 0, undefined, 0n],
    ]);
  });

  test('a refused batch replays so, whatever the stock is by then', () => {
    const on = { ...found(stock('A', 100)), events: refused.events };
    const again = judge('ATOMIC', lines, on);
    expect(inShort(again.outcomes)).toEqual(['BATCH_REFUSED=', 'INSUFFICIENT_STOCK=', 'BATCH_REFUSED=']);
    expect([again.events, again.stocks]).toEqual([[], []]);
  });

  test('an id that took effect before counts as done; one that was refused before refuses the batch', () => {
    const done = command('SALE', 'A', 2);
    const { events } = judge('INDEPENDENT', [done], found(stock('A', 8)));
    const on = { ...found(stock('A', 6)), events };
    expect(inShort(judge('ATOMIC', [done, command('SALE', 'A', 6)], on).outcomes)).toEqual(['+=', '+']);
    const mixed = judge('ATOMIC', [done, command('SALE', 'A', 7)], on);
    expect(inShort(mixed.outcomes)).toEqual(['+=', 'INSUFFICIENT_STOCK']);
    const withOld = judge('ATOMIC', [command('SALE', 'A', 1), lines[1]!], { ...on, events: refused.events });
    expect(inShort(withOld.outcomes)).toEqual(['BATCH_REFUSED', 'INSUFFICIENT_STOCK=']);
  });

  test('an unknown stock or a reused id refuses the batch and is not recorded', () => {
    const used = command('SALE', 'A', 1);
    const { outcomes, events } = judge(
      'ATOMIC',
      [used, { ...used, quantity: 2 }, command('SALE', 'NONE', 1)],
      found(stock('A', 8)),
    );
    expect(inShort(outcomes)).toEqual(['BATCH_REFUSED', 'EVENT_ID_REUSED', 'STOCK_NOT_FOUND']);
    expect(events.map((event) => event.eventId)).toEqual([used.eventId]);
  });

  test('a line that is there twice is refused once and replayed', () => {
    const line = command('SALE', 'A', 1);
    const { outcomes, events } = judge(
      'ATOMIC',
      [line, { ...line }, command('SALE', 'A', 9)],
      found(stock('A', 8)),
    );
    expect(inShort(outcomes)).toEqual(['BATCH_REFUSED', 'BATCH_REFUSED=', 'INSUFFICIENT_STOCK']);
    expect(events).toHaveLength(2);
  });

  test('submissions of one transaction see those before them, and nothing of a refused one', () => {
    const verdict = judgeSubmissions(
      [
        { mode: 'ATOMIC', commands: [command('SALE', 'A', 4), command('SALE', 'A', 9)] },
        { mode: 'ATOMIC', commands: [command('SALE', 'A', 4), command('SALE', 'A', 4)] },
        { mode: 'INDEPENDENT', commands: [command('SALE', 'A', 1)] },
      ],
      found(stock('A', 8)),
    );
    expect(taken(verdict).map(inShort)).toEqual([
      ['BATCH_REFUSED', 'INSUFFICIENT_STOCK'],
      ['+', '+'],
      ['INSUFFICIENT_STOCK'],
    ]);
  });
});

describe('counts of the past', () => {
  const count = (quantity: number, occurredTimeUs: number) =>
    command('COUNT', 'A', quantity, { occurredTimeUs });

  test('keep what the log and this transaction changed since', () => {
    const late = count(20, EARLIER_US);
    const on = {
      ...found(stock('A', 5)),
      counts: [{ storeId: 'S', eventId: late.eventId, lastCountTimeUs: undefined, deltaSince: -3 }],
    };
    const { stocks } = judge('ATOMIC', [command('SALE', 'A', 1), command('SALE', 'B', 0), late], {
      ...on,
      stocks: [stock('A', 5), stock('B', 5)],
    });
    expect(stocks.find(({ productId }) => productId === 'A')?.net).toBe(20 - 3 - 1);
  });

  test('are absorbed by a later one in the same transaction', () => {
    const { outcomes, stocks } = judge(
      'INDEPENDENT',
      [count(20, EARLIER_US), count(9, EARLIER_US - 1), count(30, EARLIER_US)],
      found(stock('A', 5)),
    );
    expect(outcomes.map((outcome) => outcome.kind === 'DECIDED' && outcome.event.effect)).toEqual([
      'APPLIED',
      'ABSORBED',
      'APPLIED',
    ]);
    expect(stocks[0]?.net).toBe(30);
  });
});
