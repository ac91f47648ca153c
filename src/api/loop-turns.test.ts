import { expect, test } from '@jest/globals';
import { LoopTurns } from './loop-turns.js';

/** An event loop of the test's own. */
function loopWithTurns() {
  const world = { ms: 0 };
  const ends: (() => void)[] = [];
  const turns = new LoopTurns(
    () => world.ms,
    (end) => ends.push(end),
  );
  /** One turn in which a call comes every 10 ms. @returns how many of them were admitted */
  const turn = (calls: number, leftMs = 2_000): number => {
    let admitted = 0;
    for (let call = 0; call < calls; call++) {
      if (turns.admit(leftMs)) admitted++;
      world.ms += 10;
    }
    for (const end of ends.splice(0)) end();
    return admitted;
  };
  return { world, turn };
}

test('in one turn calls are taken in for a quarter of the time that they have', () => {
  const { turn } = loopWithTurns();
  expect(turn(200)).toBe(51);
});

test('the turn before, through which answers have to wait too, counts', () => {
  const { turn } = loopWithTurns();
  expect([turn(30), turn(30), turn(60)]).toEqual([30, 21, 21]);
});

test.each([
  [2_000, 51],
  [8_000, 201],
  [400, 11],
  [20, 11],
])('of calls that have %i ms, %i are taken in', (leftMs, calls) => {
  const { turn } = loopWithTurns();
  expect(turn(300, leftMs)).toBe(calls);
});

test('a pause as long as the last turn ends it', () => {
  const { world, turn } = loopWithTurns();
  turn(50);
  world.ms += 500;
  expect(turn(50)).toBe(1);
  world.ms += 501;
  expect(turn(50)).toBe(50);
});
