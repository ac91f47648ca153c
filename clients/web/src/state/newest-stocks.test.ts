import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import { StockSchema } from '../contract.js';
import { NewestStocks } from './newest-stocks.js';

const stockOf = (productId: string, version = 1, storeId = 'S') =>
  create(StockSchema, { storeId, productId, version: BigInt(version) });

test('the newest version is kept, whatever comes later, and only news are told', () => {
  let told = 0;
  const stocks = new NewestStocks(() => told++);
  stocks.noteAll([stockOf('A', 3), stockOf('B', 1)]);
  stocks.note(stockOf('A', 2));
  stocks.note(undefined);
  expect([stocks.versionOf('S', 'A'), stocks.versionOf('S', 'C'), stocks.size, told]).toEqual([3n, 0n, 2, 1]);
  expect(stocks.of(stockOf('A', 1)).version).toBe(3n);
  expect(stocks.of(stockOf('A', 4)).version).toBe(4n);
});

test.each([
  ['E', false, false, true],
  ['A', false, false, false],
  ['A', true, false, true],
  ['G', true, false, false],
  ['G', false, true, true],
  ['D', true, true, false],
])('a page of C to F: %s, first %s, last %s, is missing: %s', (productId, isFirst, isLast, missing) => {
  const stocks = new NewestStocks(() => undefined);
  stocks.noteAll([stockOf('B', 1, 'another store'), stockOf('D'), stockOf(productId)]);
  const page = { stocks: ['C', 'D', 'F'].map((each) => stockOf(each)), isFirst, isLast };
  expect(stocks.isMissingOn(page, 'S')).toBe(missing);
});

test('a list without anything misses whatever there is', () => {
  const stocks = new NewestStocks(() => undefined);
  const page = { stocks: [], isFirst: true, isLast: true };
  expect(stocks.isMissingOn(page, 'S')).toBe(false);
  stocks.note(stockOf('A'));
  expect(stocks.isMissingOn(page, 'S')).toBe(true);
});
