import { describe, expect, test } from '@jest/globals';
import type { LogRecord, StoreOperation } from './log-records.js';
import { StoreState } from './store-state.js';

let made = 0;
const sale = (productId: string, quantity: number): LogRecord => ({
  kind: 'operation',
  operation: { eventId: `id-${made++}`, productId, type: 'SALE', quantity, atMs: made },
});
const message = (sequence: number, count: number): LogRecord => ({ kind: 'message', sequence, count });
const acknowledged = (sequence: number): LogRecord => ({ kind: 'acknowledged', sequence });
const told = (includedSequence: number, net: number, version: number, isSnapshot = false): LogRecord => ({
  ...{ kind: 'stocks', includedSequence, isSnapshot, stocks: [{ productId: 'P', net, version }] },
});

function stateOf(...records: readonly LogRecord[]): StoreState {
  return applied(new StoreState(), records);
}

function applied(state: StoreState, records: readonly LogRecord[]): StoreState {
  for (const record of records) state.apply(record);
  return state;
}

describe("a store's own stock", () => {
  test('is the newest that was told and its own operations after that', () => {
    const state = stateOf(
      sale('P', 2),
      message(1, 1),
      sale('P', 3),
      message(2, 1),
      sale('P', 5),
      told(1, 100, 7),
    );
    expect(state.netOf('P')).toBe(100 - 3 - 5);
    state.apply(told(2, 90, 9));
    expect(state.netOf('P')).toBe(90 - 5);
  });

  test('does not go back to what was told late', () => {
    const state = stateOf(told(0, 100, 7, true), told(0, 120, 5));
    expect(state.netOf('P')).toBe(100);
    state.apply(told(0, 80, 2, true));
    expect(state.netOf('P')).toBe(80);
  });

  test('of a product that is not in a snapshot any more is the sum of its operations after that', () => {
    const elsewhere = { productId: 'Q', net: 5, version: 1 };
    const state = stateOf(sale('P', 2), message(1, 1), sale('P', 3), {
      ...{ kind: 'stocks', includedSequence: 0, isSnapshot: false, stocks: [elsewhere] },
    });
    state.apply({ kind: 'stocks', includedSequence: 1, isSnapshot: true, stocks: [] });
    expect(state.stocks).toEqual({ P: -3 });
  });

  test('of one version, is what contains more of its own operations: one of them changed nothing', () => {
    const records = [sale('P', 7), message(1, 1)];
    expect(stateOf(...records, told(0, 100, 5), told(1, 100, 5)).netOf('P')).toBe(100);
    expect(stateOf(...records, told(1, 100, 5), told(0, 100, 5)).netOf('P')).toBe(100);
  });

  test('after a count is what was counted, and what came after that', () => {
    const counted: LogRecord = {
      kind: 'operation',
      operation: { eventId: 'c', productId: 'P', type: 'COUNT', quantity: 30, atMs: 1 },
    };
    const state = stateOf(told(0, 100, 5), sale('P', 7), counted, sale('P', 2));
    expect(state.netOf('P')).toBe(28);
    state.apply(told(0, 90, 6));
    expect(state.netOf('P')).toBe(28);
  });

  test('of a product that nobody told of is the sum of its operations', () => {
    expect(stateOf(sale('Q', 2), message(1, 1), sale('Q', 3)).netOf('Q')).toBe(-5);
  });

  test('keeps what is acknowledged and not yet contained', () => {
    const state = stateOf(sale('P', 2), message(1, 1), acknowledged(1), told(0, 100, 7));
    expect(state.netOf('P')).toBe(98);
    expect(state.pending).toBe(0);
    state.apply(told(1, 98, 9));
    expect(state.netOf('P')).toBe(98);
  });
});

describe('messages', () => {
  const ids = (operations: readonly StoreOperation[] | undefined) =>
    operations?.map(({ quantity }) => quantity);

  test('stand for the same operations for ever, and are forgotten once they are not needed', () => {
    const records = [sale('P', 1), sale('P', 2), sale('P', 3), message(1, 2), message(2, 1)];
    const state = applied(new StoreState(0), records);
    expect(ids(state.message(1))).toEqual([1, 2]);
    expect(ids(state.message(2))).toEqual([3]);
    state.apply(acknowledged(1));
    expect(state).toMatchObject({ firstSequence: 2, lastSequence: 2, pending: 1 });
    state.apply(told(1, 0, 1));
    expect(state.message(1)).toBeUndefined();
    expect(ids(state.message(2))).toEqual([3]);
  });

  test('that are acknowledged and contained are kept for a while: a failover may lose them', () => {
    const records = [1, 2, 3, 4].flatMap((sequence) => [
      ...[sale('P', sequence), message(sequence, 1), acknowledged(sequence), told(sequence, 0, sequence)],
    ]);
    const state = applied(new StoreState(2), records);
    expect(state).toMatchObject({ firstSequence: 5, pending: 0, waiting: 0 });
    state.apply({ kind: 'epoch', epoch: 2 });
    state.apply(message(1, 2));
    expect(state.waiting).toBe(0);
    expect(ids(state.message(1))).toEqual([3, 4]);
  });

  test('of a new epoch have all that is still there, in its order', () => {
    const state = stateOf(
      ...[{ kind: 'epoch', epoch: 1 } as const, sale('P', 1), sale('P', 2), sale('P', 3)],
      ...[message(1, 1), message(2, 1), acknowledged(1), { kind: 'epoch', epoch: 4 } as const],
    );
    expect(state).toMatchObject({ epoch: 4, cursor: '', lastSequence: 0, firstSequence: 1, waiting: 3 });
    state.apply(message(1, 3));
    expect(ids(state.message(1))).toEqual([1, 2, 3]);
  });
});
