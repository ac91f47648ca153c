import { createServer, type Server } from 'node:net';
import { expect, test } from '@jest/globals';
import { freePort, isPortFree, portOwner } from './ports.js';

test('free ports are none that outgoing connections get', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, freePort));
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(20_000);
  expect(Math.max(...ports)).toBeLessThan(32_768);
  expect(new Set(ports).size).toBeGreaterThan(40);
});

test('a free port can be listened on, and then is not free and has an owner', async () => {
  const port = await freePort();
  expect(await isPortFree('127.0.0.1', port)).toBe(true);
  const server = await listen(port);
  try {
    expect(await isPortFree('127.0.0.1', port)).toBe(false);
    if (process.platform === 'linux') expect(portOwner(port)).toBe(process.pid);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  expect(portOwner(port)).toBeUndefined();
});

function listen(port: number): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server));
  });
}
