import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainArray, textArray } from './array-literal.js';
import { formatTimestampUs, parseTimestampUs } from './timestamps.js';

describe('timestamps', () => {
  test.each([
    ['2026-11-23 08:30:00+00', 1795422600000000],
    ['2026-11-23 08:30:00.5+00', 1795422600500000],
    ['2026-11-23 08:30:00.000001+00', 1795422600000001],
    ['1970-01-01 00:00:00.123456+00', 123456],
  ])('%s is %i µs', (text, timeUs) => {
    expect(parseTimestampUs(text)).toBe(timeUs);
  });

  test('what is written is read back to the microsecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 946_684_800_000_000, max: 4_102_444_800_000_000 }), (timeUs) => {
        const asPostgres = formatTimestampUs(timeUs).replace('T', ' ').replace('Z', '+00');
        expect(parseTimestampUs(asPostgres)).toBe(timeUs);
      }),
    );
  });
});

describe('array literals', () => {
  test('quote what the literal would otherwise read as its own', () => {
    expect(textArray(['a', 'b,c', '{}', 'NULL', '', 'say "no"', 'back\\slash'])).toBe(
      '{"a","b,c","{}","NULL","","say \\"no\\"","back\\\\slash"}',
    );
  });

  test('null and undefined are NULL; no values are an empty array', () => {
    expect(textArray([null, 'x', undefined])).toBe('{NULL,"x",NULL}');
    expect(textArray([])).toBe('{}');
  });

  test('numbers stand bare', () => {
    expect(plainArray([1, -2n, 3])).toBe('{1,-2,3}');
  });
});
