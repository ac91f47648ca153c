import { expect, test } from '@jest/globals';
import { poll } from '../dev/poll.js';
import { DeadlineTimers } from './deadline-timers.js';

test('what is due is called once its deadline is over, and not what was given up', async () => {
  const timers = new DeadlineTimers();
  const startedMs = performance.now();
  const passed: string[] = [];
  const add = (name: string, inMs: number) => timers.add(startedMs + inMs, () => passed.push(name));
  add('later', 60);
  add('first', 20.2);
  const giveUp = add('given up', 20.6);
  add('with the first', 20.9);
  giveUp();
  add('over already', -5);
  expect(passed).toEqual([]);
  expect(await poll(() => (passed.length === 4 ? passed : undefined), 5_000)).toEqual([
    'over already',
    'first',
    'with the first',
    'later',
  ]);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(55);
  // The next one of the same deadline has a timer of its own.
  add('again', 20.2);
  expect(await poll(() => (passed.length === 5 ? passed.at(-1) : undefined), 5_000)).toBe('again');
});
