import { describe, expect, test } from '@jest/globals';
import { parseOutput } from './pgbench.js';
import { median, quantile } from './statistics.js';

describe('statistics', () => {
  test('the median of an odd and of an even number of values', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test('a quantile is one of the values', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([0, 0.5, 0.99, 1].map((share) => quantile(values, share))).toEqual([1, 50, 99, 100]);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("pgbench's summary", () => {
  const summary = (failed: number) =>
    `transaction type: naive.sql\nnumber of clients: 16\nnumber of transactions actually processed: 5012\n` +
    `number of failed transactions: ${failed} (0.000%)\nlatency average = 3.2 ms\n` +
    'tps = 1253.4 (without initial connection time)\n';

  test('is read', () => {
    expect(parseOutput(summary(0))).toEqual({ transactions: 5012, perSecond: 1253.4 });
  });

  test('is refused where transactions failed, or where it is none', () => {
    expect(() => parseOutput(summary(3))).toThrow('failed transactions: 3');
    expect(() => parseOutput('pgbench: error')).toThrow('pgbench: error');
  });
});
