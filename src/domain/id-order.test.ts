import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareByProduct, compareIds } from './id-order.js';

test('ids compare as their bytes in UTF-8 do', () => {
  const id = fc.string({ unit: 'binary', maxLength: 4 });
  fc.assert(
    fc.property(id, id, (a, b) => {
      expect(Math.sign(compareIds(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { seed: 6, numRuns: 2_000, examples: [['\uffff', '😀']] },
  );
});

test('stocks compare by product first', () => {
  const keys = [
    { storeId: 'S1', productId: 'P2' },
    { storeId: 'S2', productId: 'P1' },
    { storeId: 'S1', productId: 'P1' },
  ];
  expect([...keys].sort(compareByProduct)).toEqual([keys[2], keys[1], keys[0]]);
});
