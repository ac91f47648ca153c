import { expect, test } from '@jest/globals';
import { parseRedisUrl } from './redis-url.js';

const PLAIN = { username: undefined, password: undefined, tls: false };

test.each([
  ['redis://localhost:6379', { kind: 'SINGLE', url: 'redis://localhost:6379' }],
  ['rediss://u:p@host/2', { kind: 'SINGLE', url: 'rediss://u:p@host/2' }],
  [
    'redis-sentinel://a:1,b/main',
    {
      ...{ kind: 'SENTINEL', master: 'main', ...PLAIN },
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26379 },
      ],
    },
  ],
  [
    'rediss-cluster://u%40x:p%3Aq@a,[::1]:7001',
    {
      ...{ kind: 'CLUSTER', username: 'u@x', password: 'p:q', tls: true },
      nodes: [
        { host: 'a', port: 6379 },
        { host: '::1', port: 7001 },
      ],
    },
  ],
  [
    'redis-cluster://:secret@a',
    { ...PLAIN, kind: 'CLUSTER', password: 'secret', nodes: [{ host: 'a', port: 6379 }] },
  ],
])('%s is understood', (url, address) => {
  expect(parseRedisUrl(url)).toEqual(address);
});

test.each([
  'http://localhost',
  'redis-cluster://',
  'redis-cluster://a/0',
  'redis-cluster://a:0',
  'redis-cluster://a:70000',
  'redis-cluster://a,,b',
  'redis-cluster://%zz@a',
  'redis-sentinel://a:26379',
  'redis-sentinel://a/',
  'redis-other://a',
])('%s is none', (url) => {
  expect(parseRedisUrl(url)).toBeUndefined();
});
