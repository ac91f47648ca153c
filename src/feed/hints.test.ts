import { afterEach, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { describeNeeding } from '../dev/describe-needing.js';
import { REDIS } from '../dev/optional-programs.js';
import { poll } from '../dev/poll.js';
import type { StockCopy } from '../domain/types.js';
import { Hints } from './hints.js';
import type { Position } from './tail.js';

const COPY: StockCopy = {
  stock: {
    ...{ storeId: 'S "1"', productId: 'P1', net: 7, version: 3n },
    ...{ createTimeUs: 1_700_000_000_000_000, updateTimeUs: 1_700_000_000_000_001 },
  },
  asOf: 2n ** 33n + 5n,
};

const at = (database: string, timeline: bigint): Position => ({
  cursor: { database, timeline, synchronous: false, last: 0n, running: [] },
  ...{ beat: 1n, watermarkUs: 0, watermarkMs: 0, sentMs: 0 },
});

/** A process as far as hints go. */
class Listener {
  readonly copies: StockCopy[] = [];
  readonly directions: string[] = [];
  readonly hints: Hints;

  get heard(): number {
    return this.copies.length;
  }

  constructor(redisUrl: string) {
    const observer = {
      hint: (direction: string) => this.directions.push(direction),
      breaker: () => undefined,
    };
    this.hints = new Hints({ redisUrl, heard: (copies) => this.copies.push(...copies), observer });
  }
}

const listeners: Listener[] = [];
const listen = (redisUrl: string): Listener => {
  const listener = new Listener(redisUrl);
  listeners.push(listener);
  return listener;
};

afterEach(() => {
  for (const { hints } of listeners.splice(0)) hints.stop();
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const met = await poll(async () => (await condition()) || undefined, 10_000);
  if (met === undefined) throw new Error(`It did not come to pass: ${condition}`);
}

describeNeeding(REDIS, 'hints through Redis', () => {
  const url = process.env[REDIS.givenIn] ?? '';

  /** Publishes until it is heard: subscriptions take a moment. */
  const untilHeard = (from: Listener, to: Listener) => {
    const before = to.heard;
    return until(() => {
      from.hints.publish([COPY]);
      return to.heard > before;
    });
  };

  test('reach the processes of the same database and timeline, and neither the sender nor others', async () => {
    const [sender, same, otherDatabase, otherTimeline] = [listen(url), listen(url), listen(url), listen(url)];
    const database = `db-${process.pid}`;
    sender.hints.restarted(at(database, 1n));
    same.hints.restarted(at(database, 1n));
    otherDatabase.hints.restarted(at(`${database}x`, 1n));
    otherTimeline.hints.restarted(at(database, 2n));
    await untilHeard(sender, same);
    otherTimeline.hints.publish([COPY]);
    sender.hints.advanced(at(database, 2n));
    await untilHeard(sender, otherTimeline);
    expect([sender.heard, otherDatabase.heard]).toEqual([0, 0]);
    expect(sender.directions).toContain('sent');
  });

  test('carry the stocks, and go on by themselves after a lost connection', async () => {
    const [sender, other] = [listen(url), listen(url)];
    const database = `lost-${process.pid}`;
    for (const { hints } of [sender, other]) hints.restarted(at(database, 1n));
    await untilHeard(sender, other);
    const redis = new Redis(url);
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await untilHeard(sender, other);
    expect(other.copies).toEqual(other.copies.map(() => COPY));
    await redis.publish(`onhand:hints:${database}:1`, 'somebody [["what is this"]');
    redis.disconnect();
    await untilHeard(sender, other);
    expect(other.copies).toEqual(other.copies.map(() => COPY));
  });
});

test('without Redis nothing waits and nothing fails: they are lost, and counted', async () => {
  const lonely = listen('redis://127.0.0.1:1');
  lonely.hints.restarted(at('db', 1n));
  lonely.hints.publish([COPY]);
  await until(() => lonely.directions.length > 0);
  expect(lonely.directions).toEqual(['lost']);
});
