import { expect, test } from '@jest/globals';
import { delaysOf } from './feed.js';
import { scansOf } from './feed-plan.js';

test('how a plan reads the event log is told once each, a scan of the whole table too', () => {
  const lines = [
    'Merge Full Join  (cost=1.0..2.0 rows=1 width=9)',
    '  ->  Index Scan using heartbeat_pkey on heartbeat  (cost=0.1..2.3 rows=1 width=16)',
    '          ->  Index Only Scan using event_log_by_xid on event_log  (cost=0.4..8.4 rows=1 width=0)',
    '          ->  Index Scan using event_log_by_xid on event_log event_log_1  (cost=0.4..4.4 rows=9 width=99)',
    '          ->  Index Scan using event_log_by_xid on event_log event_log_2  (cost=0.4..4.4 rows=9 width=99)',
    '          ->  Seq Scan on event_log event_log_3  (cost=0.0..9.9 rows=9 width=99)',
  ];
  expect(scansOf(lines)).toEqual([
    'Index Only Scan using event_log_by_xid',
    'Index Scan using event_log_by_xid',
    'Seq Scan',
  ]);
});

const commits = new Map([
  ['0-0', 100],
  ['0-1', 200],
]);

test('the delay is from the commit until each feed has delivered it, never below 0', () => {
  const samples: { deliveries: [string, number][] }[] = [
    { deliveries: [...commits].map(([actor]) => [actor, 99]) },
    { deliveries: [...commits].map(([actor, timeMs]) => [actor, timeMs + 50]) },
  ];
  expect(delaysOf(samples, { commits })).toEqual({ p50Ms: 0, p99Ms: 50 });
});

test('a commit that a feed has not delivered is no result', () => {
  expect(() => delaysOf([{ deliveries: [['0-0', 150]] }], { commits })).toThrow(
    'transaction 0-1 was committed and not delivered',
  );
});
