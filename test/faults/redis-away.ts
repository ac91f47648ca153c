import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { quantile } from '../../bench/statistics.js';
import { createRedis, type RedisClient } from '../../src/redis/client.js';
import { TcpLink } from './tcp-link.js';

/** What became of commands that Redis did not get, and of one that it may have got, when it came back. */
export interface RedisAway {
  /** How long the first ones took to fail, at the median. */
  readonly failedAfterMs: number;
  /** How often each was done when Redis was back. */
  readonly done: { readonly whileAway: number; readonly asItWent: number };
}

const COMMANDS = 50;
const EVERY_MS = 10;

async function failureAfterMs(command: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  return await command.then(
    () => Number.POSITIVE_INFINITY,
    () => performance.now() - startedMs,
  );
}

/** Unlike `once` of node:events it does not fail with the errors in between. */
const happens = (client: RedisClient, event: string): Promise<void> =>
  new Promise((resolve) => void client.once(event, () => resolve()));

async function cut(link: TcpLink, client: RedisClient): Promise<void> {
  const closed = happens(client, 'close');
  link.cut();
  await closed;
}

async function back(link: TcpLink, client: RedisClient): Promise<void> {
  link.heal();
  await happens(client, 'ready');
  // What waited for the connection goes before this.
  await client.ping();
}

/** A subscriber whose connection comes back, to a Redis that then says nothing. What it does by itself fails by itself. */
async function comeBackToSilence(url: string): Promise<void> {
  const link = await TcpLink.start(url);
  const client = createRedis(link.url, () => undefined);
  if (client.status !== 'ready') await happens(client, 'ready');
  await client.subscribe('any');
  await cut(link, client);
  link.heal();
  await happens(client, 'ready');
  link.hang();
  // It is given up after whatever was sent before it.
  await failureAfterMs(client.ping());
  client.disconnect();
  await link.stop();
}

/** Counts up while Redis is out of reach, as a program of its own: a mutant has to be one. Argument: its URL. */
async function main(url: string): Promise<RedisAway> {
  const link = await TcpLink.start(url);
  const client = createRedis(link.url, () => undefined);
  if (client.status !== 'ready') await happens(client, 'ready');
  const [whileAway, asItWent] = [randomUUID(), randomUUID()];
  link.hang();
  const lost = failureAfterMs(client.incr(asItWent));
  await cut(link, client);
  await Promise.all([lost, back(link, client)]);

  await cut(link, client);
  const failures: Promise<number>[] = [];
  for (let command = 0; command < COMMANDS; command++) {
    failures.push(failureAfterMs(client.incr(whileAway)));
    await pause(EVERY_MS);
  }
  const failedAfterMs = quantile(Float64Array.from(await Promise.all(failures)).sort(), 0.5);
  await back(link, client);
  const direct = new Redis(url);
  const done = await direct.mget(whileAway, asItWent);
  await direct.del(whileAway, asItWent);
  direct.disconnect();
  client.disconnect();
  await link.stop();
  await comeBackToSilence(url);
  return { failedAfterMs, done: { whileAway: Number(done[0]), asItWent: Number(done[1]) } };
}

process.stdout.write(JSON.stringify(await main(process.argv[2] ?? '')));
