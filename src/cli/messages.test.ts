import { expect, test } from '@jest/globals';
import { toJsonShape } from './messages.js';

test.each([
  [{ seconds: '1700000000', nanos: 0 }, '2023-11-14T22:13:20Z'],
  [{ seconds: '1700000000', nanos: 120_000_000 }, '2023-11-14T22:13:20.120Z'],
  [{ seconds: '1700000000', nanos: 123_456_000 }, '2023-11-14T22:13:20.123456Z'],
  [{ seconds: '1700000000', nanos: 123_456_789 }, '2023-11-14T22:13:20.123456789Z'],
  [{ seconds: '-1', nanos: 1_000_000 }, '1969-12-31T23:59:59.001Z'],
])('the time %j is %s in JSON', (timestamp, text) => {
  expect(toJsonShape(timestamp)).toBe(text);
});

test('messages that are not set are left out, at any depth; the rest stays', () => {
  const decoded = {
    stocks: [{ storeId: 'S', version: '9007199254740993', updateTime: { seconds: '0', nanos: 0 } }],
    stock: null,
    metadata: { seconds: '5', nanos: '7' },
    cached: false,
  };
  expect(toJsonShape(decoded)).toEqual({
    stocks: [{ storeId: 'S', version: '9007199254740993', updateTime: '1970-01-01T00:00:00Z' }],
    metadata: { seconds: '5', nanos: '7' },
    cached: false,
  });
});
