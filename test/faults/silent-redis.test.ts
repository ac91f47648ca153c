import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test } from '@jest/globals';
import { describeNeeding } from '../../src/dev/describe-needing.js';
import { findProgram, REDIS } from '../../src/dev/optional-programs.js';
import type { StockCopy } from '../../src/domain/types.js';
import { Hints } from '../../src/feed/hints.js';
import { createRedis } from '../../src/redis/client.js';
import { until } from '../until.js';
import { Stage } from './stage.js';

const PATIENCE_MS = 10_000;
const HINTS = 20_000;
/** Each of them, waiting in the driver, is more than 3 KB. */
const LIMIT_BYTES = 10 * 1024 * 1024;

const COPY: StockCopy = {
  stock: { storeId: 'S', productId: 'P', net: 7, version: 3n, createTimeUs: 1, updateTimeUs: 2 },
  asOf: 2n ** 33n,
};

const stage = new Stage();

afterEach(() => stage.clear());

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describeNeeding(REDIS, 'Redis that takes commands and answers none', () => {
  /** One that is continued at the end, so that it can be stopped. */
  async function startRedis() {
    const redis = await stage.redis(findProgram(REDIS)!);
    stage.keep(redis, async (one) => one.signal('SIGCONT'));
    return redis;
  }

  test('keeps no hints in memory, and gets them again when it answers', async () => {
    const redis = await startRedis();
    const told = { sent: 0, lost: 0, received: 0 };
    const observer = {
      hint: (direction: keyof typeof told) => void told[direction]++,
      breaker: () => undefined,
    };
    const hints = new Hints({ redisUrl: redis.url, heard: () => undefined, observer });
    stage.keep(hints, async (one) => one.stop());
    const cursor = { database: 'db', timeline: 1n, synchronous: false, last: 0n, running: [] };
    hints.restarted({ cursor, beat: 1n, watermarkUs: 0, watermarkMs: 0, sentMs: 0 });
    const untilSent = async () => {
      const before = told.sent;
      const isSent = async () => {
        hints.publish([COPY]);
        await turn();
        return told.sent > before;
      };
      await until(isSent, 'no hint is sent', PATIENCE_MS);
    };
    await untilSent();
    const before = heapUsed();
    const lostBefore = told.lost;
    redis.signal('SIGSTOP');
    for (let sent = 0; sent < HINTS; sent++) {
      hints.publish([COPY]);
      if (sent % 10 === 0) await turn();
    }
    await until(async () => told.lost - lostBefore === HINTS, 'not every hint is lost', PATIENCE_MS);
    expect(heapUsed() - before).toBeLessThan(LIMIT_BYTES);
    redis.signal('SIGCONT');
    await untilSent();
  });

  test('loses the connection that it leaves without an answer, and with it what was asked', async () => {
    const redis = await startRedis();
    const client = createRedis(redis.url, () => undefined);
    stage.keep(client, async (one) => one.disconnect());
    let closed = 0;
    client.on('close', () => closed++);
    const answers = () =>
      client.ping().then(
        () => true,
        () => false,
      );
    await until(answers, 'it does not answer', PATIENCE_MS);
    redis.signal('SIGSTOP');
    expect(await answers()).toBe(false);
    await until(async () => closed > 0, 'the connection stays', PATIENCE_MS);
    redis.signal('SIGCONT');
    await until(answers, 'it does not answer again', PATIENCE_MS);
  });

  test('keeps a connection of which nothing is expected', async () => {
    const redis = await startRedis();
    const subscriber = createRedis(redis.url, () => undefined);
    stage.keep(subscriber, async (one) => one.disconnect());
    const seen: string[] = [];
    subscriber.on('close', () => seen.push('close'));
    subscriber.on('message', (_channel, message) => seen.push(message));
    await until(async () => subscriber.status === 'ready', 'it is not ready', PATIENCE_MS);
    await subscriber.subscribe('channel');
    // Three times as long as an answer may take.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await redis.run('PUBLISH', 'channel', 'hello');
    await until(async () => seen.length > 0, 'nothing comes', PATIENCE_MS);
    expect(seen).toEqual(['hello']);
  });
});
