import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createMetrics } from './metrics.js';
import { type MetricsServer, startMetricsServer } from './metrics-server.js';

const metrics = createMetrics();
let server: MetricsServer;

beforeAll(async () => {
  server = await startMetricsServer({ host: '127.0.0.1', port: 0, registry: metrics.registry });
});

afterAll(async () => {
  await server.stop();
});

const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);

test('every family is served with what was observed', async () => {
  metrics.requests.counter({ method: 'Get', transport: 'grpc', code: 'OK', reason: '' })();
  metrics.requests.timer({ method: 'Get', transport: 'grpc' })(0.002);
  metrics.ledger.batchCommitted(7, 0.004);
  metrics.ledger.retried('EVENT_ID_TAKEN');
  metrics.ledger.commandDecided('SALE', 'applied');
  metrics.ledger.observeQueueLength(() => 3);
  metrics.database.observePools(() => [['writes', { totalCount: 5, idleCount: 2, waitingCount: 1 }]]);
  metrics.database.observeWritable(() => true);
  metrics.database.observeHeartbeatAge(() => undefined);
  metrics.caches.shared('hit', 9);
  metrics.caches.observeBreakers(() => [
    ['redis_reads', 'open'],
    ['redis_writes', 'closed'],
  ]);
  metrics.caches.breakerOpened('redis_reads');
  metrics.caches.observeEntries(() => 77);
  metrics.caches.observeReads(() => [{ node: 'db:5432', gate: { running: 3, waiting: 2 } }]);
  metrics.feed.polled(12, 0.003);
  metrics.feed.failed(new Error('no connection'));
  metrics.feed.restarted('FAR_BEHIND');
  metrics.feed.hint('sent');
  metrics.feed.sent(5, 2);
  metrics.feed.resynced();
  metrics.feed.observeWatches(() => 4);
  metrics.feed.observeLag(() => 0.25);
  metrics.sync.acknowledged(500, false);
  metrics.sync.acknowledged(3, true);
  metrics.sync.superseded();
  metrics.sync.observeStreams(() => 2);
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toContain('text/plain');
  const lines = (await response.text()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'onhand_requests_total{method="Get",transport="grpc",code="OK",reason=""} 1',
      'onhand_request_duration_seconds_bucket{le="0.0025",method="Get",transport="grpc"} 1',
      'onhand_ledger_batch_commands_sum 7',
      'onhand_ledger_commit_seconds_count 1',
      'onhand_ledger_retries_total{cause="EVENT_ID_TAKEN"} 1',
      'onhand_ledger_commands_total{type="SALE",outcome="applied"} 1',
      'onhand_ledger_queue_length 3',
      'onhand_pool_connections{pool="writes",state="active"} 3',
      'onhand_pool_connections{pool="writes",state="waiting"} 1',
      'onhand_writable 1',
      'onhand_heartbeat_age_seconds Nan',
      'onhand_shared_cache_copies_total{outcome="hit"} 9',
      'onhand_breaker_state{breaker="redis_reads"} 2',
      'onhand_breaker_state{breaker="redis_writes"} 0',
      'onhand_breaker_openings_total{breaker="redis_reads"} 1',
      'onhand_local_cache_entries 77',
      'onhand_database_reads{node="db:5432",state="running"} 3',
      'onhand_database_reads{node="db:5432",state="waiting"} 2',
      'onhand_feed_poll_seconds_bucket{le="0.005"} 1',
      'onhand_feed_poll_failures_total 1',
      'onhand_feed_changes_total 12',
      'onhand_feed_restarts_total{cause="FAR_BEHIND"} 1',
      'onhand_feed_hints_total{direction="sent"} 1',
      'onhand_watch_changes_total 5',
      'onhand_watch_skipped_versions_total 2',
      'onhand_watch_resyncs_total 1',
      'onhand_watches 4',
      'onhand_feed_lag_seconds 0.25',
      'onhand_sync_messages_total{outcome="replayed"} 1',
      'onhand_sync_operations_total{outcome="applied"} 500',
      'onhand_sync_superseded_total 1',
      'onhand_sync_streams 2',
    ]),
  );
  expect(lines.some((line) => line.startsWith('process_resident_memory_bytes '))).toBe(true);
});

test('nothing else is served there, and a taken port is named', async () => {
  expect((await get('/')).status).toBe(404);
  const again = startMetricsServer({ host: '127.0.0.1', port: server.port, registry: metrics.registry });
  await expect(again).rejects.toMatchObject({
    code: 'EADDRINUSE',
    message: expect.stringContaining(`127.0.0.1:${server.port}`),
  });
});
