import { expect, test } from '@jest/globals';
import { banner, reachableHost, withoutPassword } from './banner.js';
import { forTerminal } from './service-child.js';
import { readStartOptions } from './start-options.js';

test.each([
  ['{"level":30,"msg":"serving"}', undefined],
  ['{"level":"info","msg":"serving"}', undefined],
  ['{"level":40,"msg":"slow"}', 'service: slow'],
  ['{"level":"error","msg":"lost","err":{"message":"no route"}}', 'service: lost: no route'],
  ['Error: at once', 'service: Error: at once'],
])('of the log line %s the terminal shows %s', (line, shown) => {
  expect(forTerminal(line)).toBe(shown);
});

test('the commands of the banner name the ports that are in use, and no password', () => {
  const facts = {
    database: withoutPassword('postgres://onhand:geheim@h:1/onhand'),
    replicas: 'none',
    redis: 'none',
  };
  const usual = banner(readStartOptions([], {}), facts);
  expect(usual).toContain('npm run -s onhand -- get STORE_001 PROD_0001');
  expect(usual).toContain('curl -X POST http://127.0.0.1:8080/api/v1/inventory/sell');
  expect(usual).not.toContain('geheim');
  const moved = readStartOptions([], {
    ONHAND_GRPC_PORT: '5',
    ONHAND_HTTP_PORT: '6',
    ONHAND_HOST: '0.0.0.0',
  });
  expect(banner(moved, facts)).toContain('onhand -- --server 127.0.0.1:5 get');
  expect(banner(moved, facts)).toContain('http://127.0.0.1:6/inventory.v1.InventoryService/Restock');
});

test('an address to listen on becomes one to connect to', () => {
  expect(['127.0.0.1', '::', '::1', 'example.org'].map(reachableHost)).toEqual([
    '127.0.0.1',
    '[::1]',
    '[::1]',
    'example.org',
  ]);
});

test('demo data comes by itself into our own database, and only when asked into another', () => {
  const own = { DATABASE_URL: 'postgres://somewhere/x' };
  expect(readStartOptions([], {}).demo).toBe(true);
  expect(readStartOptions(['--no-demo'], {}).demo).toBe(false);
  expect(readStartOptions([], own).demo).toBe(false);
  expect(readStartOptions(['--demo'], own).demo).toBe(true);
  expect(() => readStartOptions(['--fresh'], own)).toThrow('--fresh');
});
