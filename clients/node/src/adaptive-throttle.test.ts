import { status } from '@grpc/grpc-js';
import { expect, test } from '@jest/globals';
import { AdaptiveThrottle, refusedHere } from './adaptive-throttle.js';
import { OnhandError } from './onhand-error.js';

const WINDOW_MS = 10_000;

const overload = (): OnhandError =>
  new OnhandError({ reason: 'QUEUE_FULL', code: status.RESOURCE_EXHAUSTED, message: 'full' });
const failure = (reason: OnhandError['reason'], code: status) =>
  new OnhandError({ reason, code, message: '' });

/** A throttle with a clock and a die of the test's own. */
function throttleAt(options: { multiplier?: number } = {}) {
  const world = { ms: 0, die: 0 };
  const throttle = new AdaptiveThrottle(
    { windowMs: WINDOW_MS, ...options },
    () => world.ms,
    () => world.die,
  );
  const end = (count: number, error?: OnhandError) => {
    for (let call = 0; call < count; call++) throttle.ended(error);
  };
  return { throttle, world, end };
}

test('it refuses nothing while half of what is asked is accepted', () => {
  const { throttle, end } = throttleAt();
  end(50);
  end(50, overload());
  expect(throttle.refusing).toBe(0);
  expect(throttle.admits()).toBe(true);
});

test('beyond that it refuses with (requests - 2 * accepts) / (requests + 1)', () => {
  const { throttle, world, end } = throttleAt();
  end(10);
  end(90, overload());
  expect(throttle.refusing).toBeCloseTo(80 / 101);
  world.die = 0.8;
  expect(throttle.admits()).toBe(true);
  world.die = 0.78;
  expect(throttle.admits()).toBe(false);
  // The refusal counts as a request.
  expect(throttle.refusing).toBeCloseTo(81 / 102);
});

test('another multiplier sends less', () => {
  const { throttle, end } = throttleAt({ multiplier: 1.5 });
  end(10);
  end(90, overload());
  expect(throttle.refusing).toBeCloseTo(85 / 101);
});

test('what is under way is not counted', () => {
  const { throttle } = throttleAt();
  for (let call = 0; call < 100; call++) expect(throttle.admits()).toBe(true);
  expect(throttle.refusing).toBe(0);
});

test('what is older than the window is forgotten, slice by slice', () => {
  const { throttle, world, end } = throttleAt();
  end(100, overload());
  world.ms = WINDOW_MS / 2;
  end(20, overload());
  expect(throttle.refusing).toBeCloseTo(120 / 121);
  world.ms = WINDOW_MS;
  expect(throttle.refusing).toBeCloseTo(20 / 21);
  world.ms = 1.5 * WINDOW_MS;
  expect(throttle.refusing).toBe(0);
  world.ms = 50 * WINDOW_MS;
  end(3, overload());
  expect(throttle.refusing).toBeCloseTo(3 / 4);
});

test.each([
  ['QUEUE_FULL', status.RESOURCE_EXHAUSTED, true],
  ['RATE_LIMITED', status.RESOURCE_EXHAUSTED, true],
  ['UNRECOGNIZED', status.RESOURCE_EXHAUSTED, true],
  ['DEADLINE_EXCEEDED', status.DEADLINE_EXCEEDED, true],
  ['MESSAGE_TOO_LARGE', status.RESOURCE_EXHAUSTED, false],
  ['INSUFFICIENT_STOCK', status.FAILED_PRECONDITION, false],
  ['DATABASE_UNAVAILABLE', status.UNAVAILABLE, false],
  ['UNREACHABLE', status.UNAVAILABLE, false],
] as const)('%s (%s) counts as overload: %s', (reason, code, counts) => {
  const { throttle, end } = throttleAt();
  end(10, failure(reason, code));
  expect(throttle.refusing > 0).toBe(counts);
});

test('a refusal of its own is the typed error of a full queue, and says that it is local', () => {
  expect(refusedHere()).toMatchObject({ reason: 'QUEUE_FULL', codeName: 'RESOURCE_EXHAUSTED', local: true });
});

test.each([{ multiplier: 0.9 }, { multiplier: Number.NaN }, { windowMs: 0 }])('%j is refused', (options) => {
  expect(() => new AdaptiveThrottle(options)).toThrow(RangeError);
});
