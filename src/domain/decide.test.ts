import { describe, expect, test } from '@jest/globals';
import { createsStock, decide, fingerprintOf, refuse, type StockHistory } from './decide.js';
import { type Command, NET_LIMIT, type PriorEvent, type StockEvent, type StockRow } from './types.js';

const NOW_US = 1_700_000_000_000_000;

const command = (changes: Partial<Command> = {}): Command => ({
  storeId: 'STORE_001',
  productId: 'PROD_0001',
  eventId: '00000000-0000-4000-8000-000000000001',
  type: 'SALE',
  quantity: 5,
  occurredTimeUs: undefined,
  operationReason: undefined,
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

interface Circumstances {
  readonly prior?: PriorEvent;
  readonly history?: StockHistory;
  readonly nowUs?: number;
}

const ground = (row: StockRow | undefined, { prior, history, nowUs = NOW_US }: Circumstances = {}) => ({
  stock: row,
  prior,
  history,
  nowUs,
});

/** Decides, and gives the recorded event. */
const eventOf = (asked: Command, row: StockRow | undefined, more?: Circumstances): StockEvent => {
  const { event } = decide(asked, ground(row, more));
  if (event === undefined) throw new Error('no event was recorded');
  return event;
};

describe('a sale', () => {
  test.each([
    { onHand: 5, quantity: 5, left: 0 },
    { onHand: 5, quantity: 1, left: 4 },
  ])('takes $quantity of $onHand', ({ onHand, quantity, left }) => {
    const decision = decide(command({ quantity }), ground(stock(onHand, 7n)));
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
    const decision = decide(command(), ground(stock(net, 7n)));
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
      expect(decide(command(), ground(row))).toEqual({ outcome: { kind: 'STOCK_NOT_FOUND' } });
    },
  );
});

describe('a restock', () => {
  test.each([undefined, stock(0, 0n)])('makes the stock where there is none', (row) => {
    const decision = decide(command({ type: 'RESTOCK', quantity: 9 }), ground(row));
    expect(decision.stock).toMatchObject({ net: 9, version: 1n, createTimeUs: NOW_US, updateTimeUs: NOW_US });
    expect(decision.outcome).toMatchObject({ kind: 'DECIDED', createTimeUs: NOW_US, replayed: false });
  });

  test('settles what was oversold first', () => {
    expect(decide(command({ type: 'RESTOCK' }), ground(stock(-3, 4n))).stock?.net).toBe(2);
  });

  test('stops at the limit', () => {
    const restock = command({ type: 'RESTOCK', quantity: 2 });
    expect(eventOf(restock, stock(NET_LIMIT - 1, 1n)).reason).toBe('STOCK_LIMIT');
    expect(eventOf(restock, stock(NET_LIMIT - 2, 1n)).reason).toBeUndefined();
  });
});

describe('a repeat', () => {
  const first = eventOf(command(), stock(5, 1n));

  test('gives the first outcome again and changes nothing, whatever the stock is now', () => {
    expect(decide(command(), ground(stock(100, 9n), { prior: first, nowUs: NOW_US + 1 }))).toEqual({
      outcome: { kind: 'DECIDED', event: first, createTimeUs: 1, replayed: true },
    });
  });

  test('may differ in time and metadata', () => {
    const again = command({ occurredTimeUs: 5, metadata: { till: '7' }, origin: 'REST' });
    expect(decide(again, ground(stock(5, 1n), { prior: first })).outcome).toMatchObject({
      kind: 'DECIDED',
      replayed: true,
    });
  });

  test.each([{ quantity: 6 }, { type: 'WASTE' as const }, { productId: 'PROD_0002' }])(
    'with %o is refused',
    (change) => {
      const decision = decide(command(change), ground(stock(5, 1n), { prior: first }));
      expect(decision).toEqual({ outcome: { kind: 'EVENT_ID_REUSED' } });
    },
  );
});

test('times: occurred is never later than now; effective and recorded are now', () => {
  const times = (occurredTimeUs: number | undefined) => eventOf(command({ occurredTimeUs }), stock(9, 1n));
  expect(times(NOW_US + 1).occurredTimeUs).toBe(NOW_US);
  expect(times(undefined).occurredTimeUs).toBe(NOW_US);
  expect(times(NOW_US - 1)).toMatchObject({
    occurredTimeUs: NOW_US - 1,
    effectiveTimeUs: NOW_US,
    recordedTimeUs: NOW_US,
  });
});

test('only what adds or counts makes a stock; what a store has done already always does', () => {
  const types = ['SALE', 'WASTE', 'RESTOCK', 'RETURN', 'COUNT'] as const;
  const makers = (origin: Command['origin']) =>
    types.filter((type) => createsStock(command({ type, origin })));
  expect(makers('GRPC')).toEqual(['RESTOCK', 'RETURN', 'COUNT']);
  expect(makers('SYNC')).toEqual(types);
});

describe('a count', () => {
  const count = (quantity: number, occurredTimeUs?: number) =>
    command({ type: 'COUNT', quantity, occurredTimeUs });
  const countedAt = NOW_US - 60_000_000;

  test.each([
    { net: 7, quantity: 5, delta: -2 },
    { net: 5, quantity: 5, delta: 0 },
    { net: -3, quantity: 0, delta: 3 },
  ])('of $quantity sets a net of $net, and raises the version', ({ net, quantity, delta }) => {
    const decision = decide(count(quantity), ground(stock(net, 4n)));
    expect(decision.event).toMatchObject({
      effect: 'APPLIED',
      requestedDelta: quantity,
      appliedDelta: delta,
      netAfter: quantity,
      version: 5n,
      effectiveTimeUs: NOW_US,
    });
    expect(decision.stock).toMatchObject({ net: quantity, version: 5n });
  });

  test('makes the stock where there is none', () => {
    expect(decide(count(0), ground(undefined)).stock).toMatchObject({ net: 0, version: 1n });
  });

  test('of the past keeps what happened since', () => {
    const event = eventOf(count(10, countedAt), stock(95, 4n), {
      history: { lastCountTimeUs: countedAt, deltaSince: -4 },
    });
    expect(event).toMatchObject({
      effect: 'APPLIED',
      netAfter: 6,
      appliedDelta: -89,
      effectiveTimeUs: countedAt,
    });
  });

  test('that finds less than was sold since leaves the stock oversold', () => {
    const event = eventOf(count(3, countedAt), stock(95, 4n), {
      history: { lastCountTimeUs: undefined, deltaSince: -5 },
    });
    expect(event).toMatchObject({ status: 'SUCCESS', effect: 'OVERSOLD', netAfter: -2, version: 5n });
  });

  test('that is older than the last count is absorbed', () => {
    const decision = decide(
      count(3, countedAt),
      ground(stock(95, 4n), { history: { lastCountTimeUs: countedAt + 1, deltaSince: 0 } }),
    );
    expect(decision.event).toMatchObject({
      status: 'SUCCESS',
      effect: 'ABSORBED',
      appliedDelta: 0,
      version: 4n,
    });
    expect(decision.stock).toBeUndefined();
  });

  test('beyond the limit is refused', () => {
    const history = { lastCountTimeUs: undefined, deltaSince: 1 };
    expect(eventOf(count(NET_LIMIT, countedAt), stock(1, 1n), { history }).reason).toBe('STOCK_LIMIT');
    expect(eventOf(count(NET_LIMIT), stock(-NET_LIMIT, 1n)).appliedDelta).toBe(2 * NET_LIMIT);
  });
});

test('a refusal for the sake of a batch changes nothing, and tells what it was judged against', () => {
  expect(refuse(command(), ground(stock(8, 3n)), 'INSUFFICIENT_STOCK', 3).event).toMatchObject({
    status: 'FAILED',
    netBefore: 8,
    netAfter: 8,
    judgedNet: 3,
    version: 3n,
  });
  expect(refuse(command(), ground(stock(8, 3n)), 'INSUFFICIENT_STOCK', 8).event?.judgedNet).toBeUndefined();
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
