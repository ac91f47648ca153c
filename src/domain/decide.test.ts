import { describe, expect, test } from '@jest/globals';
import { createsStock, decide, fingerprintOf, type MovementCommand } from './decide.js';
import { NET_LIMIT, type StockEvent, type StockRow } from './types.js';

const NOW_US = 1_700_000_000_000_000;

const command = (changes: Partial<MovementCommand> = {}): MovementCommand => ({
  storeId: 'STORE_001',
  productId: 'PROD_0001',
  eventId: '00000000-0000-4000-8000-000000000001',
  type: 'SALE',
  quantity: 5,
  occurredTimeUs: undefined,
  actor: 'anonymous',
  origin: 'GRPC',
  metadata: {},
  ...changes,
});

const stock = (net: number, version: bigint): StockRow => ({
  storeId: 'STORE_001',
  productId: 'PROD_0001',
  net,
  version,
  createTimeUs: 1,
  updateTimeUs: 2,
});

/** Decides, and gives the recorded event. */
const eventOf = (...args: Parameters<typeof decide>): StockEvent => {
  const { event } = decide(...args);
  if (event === undefined) throw new Error('no event was recorded');
  return event;
};

describe('a sale', () => {
  test.each([
    { onHand: 5, quantity: 5, left: 0 },
    { onHand: 5, quantity: 1, left: 4 },
  ])('takes $quantity of $onHand', ({ onHand, quantity, left }) => {
    const decision = decide(command({ quantity }), stock(onHand, 7n), undefined, NOW_US);
    expect(decision.stock).toEqual({ ...stock(left, 8n), updateTimeUs: NOW_US });
    expect(decision.event).toMatchObject({
      status: 'SUCCESS',
      effect: 'APPLIED',
      netBefore: onHand,
      netAfter: left,
    });
    expect(decision.event).toMatchObject({ requestedDelta: -quantity, appliedDelta: -quantity, version: 8n });
  });

  test.each([4, 0, -3])('of 5 is refused with a net of %i, and recorded', (net) => {
    const decision = decide(command(), stock(net, 7n), undefined, NOW_US);
    expect(decision.stock).toBeUndefined();
    expect(decision.event).toMatchObject({
      status: 'FAILED',
      effect: 'REFUSED',
      reason: 'INSUFFICIENT_STOCK',
      requestedDelta: -5,
      appliedDelta: 0,
      netBefore: net,
      netAfter: net,
      version: 7n,
    });
  });

  test.each([undefined, stock(0, 0n)])(
    'of a stock that nobody has written is not found, and not recorded',
    (row) => {
      expect(decide(command(), row, undefined, NOW_US)).toEqual({ outcome: { kind: 'STOCK_NOT_FOUND' } });
    },
  );
});

describe('a restock', () => {
  test.each([undefined, stock(0, 0n)])('makes the stock where there is none', (row) => {
    const decision = decide(command({ type: 'RESTOCK', quantity: 9 }), row, undefined, NOW_US);
    expect(decision.stock).toMatchObject({ net: 9, version: 1n, createTimeUs: NOW_US, updateTimeUs: NOW_US });
    expect(decision.outcome).toMatchObject({ kind: 'DECIDED', createTimeUs: NOW_US, replayed: false });
  });

  test('settles what was oversold first', () => {
    expect(decide(command({ type: 'RESTOCK' }), stock(-3, 4n), undefined, NOW_US).stock?.net).toBe(2);
  });

  test('stops at the limit', () => {
    const restock = command({ type: 'RESTOCK', quantity: 2 });
    expect(eventOf(restock, stock(NET_LIMIT - 1, 1n), undefined, NOW_US).reason).toBe('STOCK_LIMIT');
    expect(eventOf(restock, stock(NET_LIMIT - 2, 1n), undefined, NOW_US).reason).toBeUndefined();
  });
});

describe('a repeat', () => {
  const first = eventOf(command(), stock(5, 1n), undefined, NOW_US);

  test('gives the first outcome again and changes nothing, whatever the stock is now', () => {
    expect(decide(command(), stock(100, 9n), first, NOW_US + 1)).toEqual({
      outcome: { kind: 'DECIDED', event: first, createTimeUs: 1, replayed: true },
    });
  });

  test('may differ in time and metadata', () => {
    const again = command({ occurredTimeUs: 5, metadata: { till: '7' }, origin: 'REST' });
    expect(decide(again, stock(5, 1n), first, NOW_US).outcome).toMatchObject({
      kind: 'DECIDED',
      replayed: true,
    });
  });

  test.each([{ quantity: 6 }, { type: 'WASTE' as const }, { productId: 'PROD_0002' }])(
    'with %o is refused',
    (change) => {
      const decision = decide(command(change), stock(5, 1n), first, NOW_US);
      expect(decision).toEqual({ outcome: { kind: 'EVENT_ID_REUSED' } });
    },
  );
});

test('times: occurred is never later than now; effective and recorded are now', () => {
  const times = (occurredTimeUs: number | undefined) =>
    eventOf(command({ occurredTimeUs }), stock(9, 1n), undefined, NOW_US);
  expect(times(NOW_US + 1).occurredTimeUs).toBe(NOW_US);
  expect(times(undefined).occurredTimeUs).toBe(NOW_US);
  expect(times(NOW_US - 1)).toMatchObject({
    occurredTimeUs: NOW_US - 1,
    effectiveTimeUs: NOW_US,
    recordedTimeUs: NOW_US,
  });
});

test('only what adds makes a stock', () => {
  expect((['SALE', 'WASTE', 'RESTOCK', 'RETURN'] as const).filter(createsStock)).toEqual([
    'RESTOCK',
    'RETURN',
  ]);
});

test('fingerprints of different payloads differ', () => {
  const prints = [
    command(),
    command({ quantity: 6 }),
    command({ type: 'WASTE' }),
    command({ productId: '5:X' }),
  ];
  expect(new Set(prints.map(fingerprintOf)).size).toBe(prints.length);
});
