import { afterEach, expect, test } from '@jest/globals';
import { poll } from '../dev/poll.js';
import { Breaker, type BreakerState } from './breaker.js';

const breakers: Breaker[] = [];

function breakerOf(): { breaker: Breaker; states: BreakerState[] } {
  const states: BreakerState[] = [];
  const breaker = new Breaker({ name: 'test', onState: (state) => states.push(state) });
  breakers.push(breaker);
  return { breaker, states };
}

afterEach(() => {
  for (const breaker of breakers.splice(0)) breaker.stop();
});

const hang = () => new Promise<never>(() => undefined);
const fail = () => Promise.reject(new Error('down'));

async function open(breaker: Breaker, work: () => Promise<never>): Promise<void> {
  await Promise.allSettled(Array.from({ length: 10 }, () => breaker.run(work)));
}

test('what hangs is given up after 50 ms, and not asked any more after a few', async () => {
  const { breaker, states } = breakerOf();
  const startedMs = performance.now();
  await open(breaker, hang);
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect(states).toEqual(['open']);
  let asked = false;
  await expect(
    breaker.run(async () => {
      asked = true;
    }),
  ).rejects.toThrow('open');
  expect(asked).toBe(false);
});

test('one failure among many answers opens nothing', async () => {
  const { breaker, states } = breakerOf();
  for (let n = 0; n < 20; n++) await breaker.run(async () => n);
  await expect(breaker.run(fail)).rejects.toThrow('down');
  expect(await breaker.run(async () => 'still')).toBe('still');
  expect(states).toEqual([]);
});

test('after about a second one call tries whether it is back: no, then yes', async () => {
  const { breaker, states } = breakerOf();
  await open(breaker, fail);
  const halfOpen = () => poll(async () => breaker.state === 'half_open' || undefined, 5_000);
  const openedMs = performance.now();
  expect(await halfOpen()).toBe(true);
  expect(performance.now() - openedMs).toBeGreaterThan(700);
  let tries = 0;
  const tried = Array.from({ length: 5 }, () =>
    breaker.run(async () => {
      tries++;
      throw new Error('still down');
    }),
  );
  await Promise.allSettled(tried);
  expect([tries, breaker.state]).toEqual([1, 'open']);
  expect(await halfOpen()).toBe(true);
  expect(await breaker.run(async () => 'back')).toBe('back');
  expect(states).toEqual(['open', 'half_open', 'open', 'half_open', 'closed']);
});
