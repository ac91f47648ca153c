import { describe, expect, test } from '@jest/globals';
import { Source } from '../gen/grpc/inventory/v1/inventory.js';
import type { GetResponse } from '../gen/grpc/inventory/v1/inventory_service.js';
import { entityTagOf, isUnchanged } from './entity-tag.js';

const AT = { seconds: 1_700_000_000n, nanos: 123_456_000 };
const NAMES = { storeId: 'S', productId: 'P' };

const answer = (version: bigint, updateTime = AT, stale = false): GetResponse => ({
  stock: { ...NAMES, quantity: 1, oversold: 0, version, createTime: AT, updateTime },
  ...{ source: Source.REPLICA, cached: false, maxAgeMs: 7, stale },
});

test('a tag begins with the version, and tells when that came to be', () => {
  expect(entityTagOf(answer(12n))).toBe('W/"12-1700000000123456"');
});

test('a version that is given out again after a failover has another tag', () => {
  const again = { ...AT, nanos: AT.nanos + 1_000 };
  expect(entityTagOf(answer(12n, again))).not.toBe(entityTagOf(answer(12n)));
});

describe('a caller that has version 1', () => {
  const one = answer(1n);
  const tag = entityTagOf(one);

  test.each([tag, tag.slice(2), '*', `"7", ${tag}`])('is told so by %s', (ifNoneMatch) => {
    expect(isUnchanged(one, tag, ifNoneMatch)).toBe(true);
  });

  test.each([undefined, 'W/"1"', '1', '""', entityTagOf(answer(2n))])('is not by %s', (ifNoneMatch) => {
    expect(isUnchanged(one, tag, ifNoneMatch)).toBe(false);
  });

  test.each([tag, '*'])('is not told so out of a stale answer, with %s', (ifNoneMatch) => {
    expect(isUnchanged(answer(1n, AT, true), tag, ifNoneMatch)).toBe(false);
  });
});
