import { parse } from 'node:querystring';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseQuery } from './query-string.js';

const PIECES = [
  'a',
  'storeId',
  'é',
  '__proto__',
  'constructor',
  '&',
  '=',
  '+',
  '%41',
  '%2B',
  '%',
  '%e9',
  '%C3%A9',
];

test('is read as Node.js reads it, whatever stands in it', () => {
  const queries = fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string()), { maxLength: 12 });
  fc.assert(
    fc.property(queries, (pieces) => {
      const query = pieces.join('');
      expect(Object.entries(parseQuery(query))).toEqual(
        Object.entries(parse(query, '&', '=', { maxKeys: 0 })),
      );
    }),
    { numRuns: 2_000, seed: 1 },
  );
});

test('broken UTF-8 becomes U+FFFD', () => {
  expect({ ...parseQuery('storeId=%ff') }).toEqual({ storeId: '\uFFFD' });
});
