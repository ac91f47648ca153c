import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { InvoiceLine } from './invoice-lines.js';
import { commandsOf, REPLAY_NAMESPACE, type ReplayCommand, stockQueues } from './replay-plan.js';
import { answered, emptyTally, type Outcome, runQueues } from './replay-run.js';

const line = (number: number, store: string, product: string, quantity: number): InvoiceLine => ({
  line: number,
  invoice: `I${number}`,
  product,
  quantity,
  unitPrice: '1.25',
  store,
});

const LINES = [
  line(2, 'EIRE', 'A', 5),
  line(3, 'France', 'B', 1),
  line(4, 'France', 'A', 7),
  line(5, 'EIRE', 'A', -2),
  line(6, 'France', 'B', -4),
  line(7, 'EIRE', 'A', 3),
];

const plan = () => stockQueues(LINES).flatMap((queue) => [...commandsOf(queue, REPLAY_NAMESPACE)]);

describe('the plan of a replay', () => {
  test('opens each stock, then keeps the order of its lines, the longest queue first', () => {
    const shown = plan().map(({ kind, rpc, line, request: { storeId, productId, quantity } }) =>
      [kind, rpc, line, storeId, productId, quantity].join(' '),
    );
    expect(shown).toEqual([
      'opening Restock  EIRE A 1000',
      'sale Sell 2 EIRE A 5',
      'return Restock 5 EIRE A 2',
      'sale Sell 7 EIRE A 3',
      'opening Restock  France B 1000',
      'sale Sell 3 France B 1',
      'return Restock 6 France B 4',
      'opening Restock  France A 1000',
      'sale Sell 4 France A 7',
    ]);
  });

  test('gives every command its own event id, the same each time, and another in another namespace', () => {
    const ids = plan().map(({ request }) => request.eventId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(plan().map(({ request }) => request.eventId)).toEqual(ids);
    // UUIDv5 of "2" in the namespace, made with another program.
    expect(ids[1]).toBe('a97bac95-c080-503f-9857-ff4e66c1cad6');
    const [queue] = stockQueues(LINES);
    const [opening] = commandsOf(queue!, 'a3bb189e-8bf9-4888-9912-ace4e6543002');
    expect(ids).not.toContain(opening!.request.eventId);
  });

  test('keeps invoice, line and price with the event', () => {
    expect(plan()[2]!.request.metadata).toEqual({
      kind: 'return',
      invoice: 'I5',
      line: '5',
      unitPrice: '1.25',
    });
  });

  test('tells stocks apart whose ids look alike when joined', () => {
    expect(stockQueues([line(2, 'A|B', 'C', 1), line(3, 'A', 'B|C', 1)])).toHaveLength(2);
  });
});

describe('the run of a replay', () => {
  const run = (send: (command: ReplayCommand) => Promise<Outcome>, concurrency = 2) => {
    const tally = emptyTally();
    const done = runQueues(stockQueues(LINES), {
      namespace: REPLAY_NAMESPACE,
      concurrency,
      send,
      onAnswer: () => {},
      tally,
    });
    return { done, tally };
  };

  test('sends one command of a stock at a time, and as many stocks at once as allowed', async () => {
    const underWay = new Map<string, number>();
    const sent: number[] = [];
    let most = 0;
    const { done, tally } = run(async ({ request, line: number }) => {
      expect(underWay.has(request.storeId + request.productId)).toBe(false);
      underWay.set(request.storeId + request.productId, number ?? 0);
      most = Math.max(most, underWay.size);
      for (let turns = (number ?? 3) % 4; turns >= 0; turns--) await nextTurn();
      underWay.delete(request.storeId + request.productId);
      if (request.storeId === 'EIRE' && number !== undefined) sent.push(number);
      return { accepted: number !== 7, replayed: number === 4 };
    });
    await done;
    expect(most).toBe(2);
    expect(sent).toEqual([2, 5, 7]);
    expect(tally).toEqual({ openings: 3, salesAccepted: 3, salesRefused: 1, returns: 2, replayed: 1 });
    expect(answered(tally)).toBe(9);
  });

  test('stops all stocks at the first failure, after what was under way', async () => {
    let ended = 0;
    const { done, tally } = run(async ({ kind, request }) => {
      if (request.storeId === 'France' && kind === 'sale') throw new Error('refused');
      await nextTurn();
      await nextTurn();
      ended++;
      return { accepted: true, replayed: false };
    });
    await expect(done).rejects.toThrow('refused');
    expect(answered(tally)).toBe(ended);
    expect(ended).toBeLessThan(8);
  });
});
