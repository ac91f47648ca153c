import { expect, test } from '@jest/globals';
import { hashOfIds } from '../domain/id-hash.js';
import { ChangeSlots } from './change-slots.js';

const slotOf = (name: string) => hashOfIds(name) % 2 ** 20;

/** Two names that share a slot. */
function neighbours(): [string, string] {
  const seen = new Map<number, string>();
  for (let n = 0; ; n++) {
    const name = `S\0P${n}`;
    const other = seen.get(slotOf(name));
    if (other !== undefined) return [other, name];
    seen.set(slotOf(name), name);
  }
}

test('at first only copies are accepted that are two beats later than the first poll', () => {
  const slots = new ChangeSlots();
  slots.reset(10n);
  expect([10n, 11n, 12n].map((asOf) => slots.accepts('S\0P', 1n, asOf))).toEqual([false, false, true]);
});

test('a copy without a change that was delivered is accepted only as of two beats later', () => {
  const slots = new ChangeSlots();
  slots.reset(1n);
  slots.changed('S\0P', 7n, 10n);
  expect([10n, 11n, 12n].map((asOf) => slots.accepts('S\0P', 6n, asOf))).toEqual([false, false, true]);
  expect(slots.accepts('S\0P', 7n, 2n)).toBe(true);
  expect(slots.accepts('S\0P', 8n, 2n)).toBe(true);
});

test('stocks that share a slot share its beat, and not its version', () => {
  const [one, other] = neighbours();
  const slots = new ChangeSlots();
  slots.reset(1n);
  slots.changed(one, 7n, 10n);
  expect(slots.accepts(other, 100n, 11n)).toBe(false);
  expect(slots.accepts(other, 1n, 12n)).toBe(true);
  slots.changed(other, 3n, 20n);
  expect(slots.accepts(one, 7n, 21n)).toBe(false);
  expect(slots.accepts(one, 7n, 22n)).toBe(true);
});

test('a reset forgets what was delivered before it', () => {
  const slots = new ChangeSlots();
  slots.reset(1n);
  slots.changed('S\0P', 7n, 10n);
  slots.reset(20n);
  expect(slots.accepts('S\0P', 7n, 21n)).toBe(false);
  expect(slots.accepts('S\0P', 1n, 22n)).toBe(true);
});
