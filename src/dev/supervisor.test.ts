import { afterEach, expect, jest, test } from '@jest/globals';
import { poll } from './poll.js';
import type { ProcessEnd } from './server-process.js';
import { type Component, type Hold, type Running, Supervisor } from './supervisor.js';

const quiet = [
  jest.spyOn(process.stdout, 'write').mockImplementation(() => true),
  jest.spyOn(process.stderr, 'write').mockImplementation(() => true),
];

afterEach(() => {
  for (const stream of quiet) stream.mockClear();
});

const stdout = () => quiet[0]!.mock.calls.map(([text]) => String(text)).join('');

/** A component that lives until it is told to end, and writes down what happens to it. */
class Fake implements Component {
  starts = 0;
  private end: (end: ProcessEnd) => void = () => undefined;

  constructor(
    readonly name: string,
    private readonly log: string[],
    private readonly failsAtStart: (start: number) => boolean = () => false,
    readonly hold?: Hold,
  ) {}

  async start(): Promise<Running> {
    this.starts += 1;
    if (this.failsAtStart(this.starts)) throw new Error(`${this.name} is broken`);
    const exited = new Promise<ProcessEnd>((resolve) => {
      this.end = resolve;
    });
    const stop = async () => {
      this.log.push(`stop ${this.name}`);
      this.end({ code: 0, signal: null });
    };
    return { exited, stop };
  }

  crash(): void {
    this.end({ code: null, signal: 'SIGKILL' });
  }
}

test('stops in reverse order, and then starts nothing more', async () => {
  const log: string[] = [];
  const supervisor = new Supervisor((reason) => log.push(reason));
  const [first, second] = [new Fake('first', log), new Fake('second', log)];
  await supervisor.start(first);
  await supervisor.start(second);
  await supervisor.stop();
  expect(log).toEqual(['stop second', 'stop first']);
  await expect(supervisor.start(new Fake('third', log))).rejects.toThrow('Stopped');
  expect([first.starts, second.starts]).toEqual([1, 1]);
});

test('starts again what has ended, even where that takes more than one try', async () => {
  const log: string[] = [];
  const supervisor = new Supervisor((reason) => log.push(reason));
  const component = new Fake('it', log, (start) => start === 2);
  await supervisor.start(component);
  component.crash();
  expect(await poll(() => (component.starts === 3 ? true : undefined), 5_000)).toBe(true);
  await supervisor.stop();
  expect(log).toEqual(['stop it']);
});

test('gives up on what ends again and again', async () => {
  const reasons: string[] = [];
  const supervisor = new Supervisor((reason) => reasons.push(reason));
  const component = new Fake('it', [], (start) => start > 1);
  await supervisor.start(component);
  component.crash();
  await poll(() => reasons[0], 5_000);
  expect(reasons).toEqual(['it ended more than 5 times in a minute.']);
  expect(component.starts).toBe(6);
});

/** A hold that the test sets. */
class FakeHold implements Hold {
  held = false;

  constructor(private readonly log: string[]) {}

  isHeld(): boolean {
    return this.held;
  }

  started(): void {
    this.log.push('started');
  }
}

test('what is held stays down until it is released, as often as one likes', async () => {
  const log: string[] = [];
  const hold = new FakeHold(log);
  const supervisor = new Supervisor((reason) => log.push(reason));
  const component = new Fake('it', log, () => false, hold);
  await supervisor.start(component);
  for (let round = 1; round <= 7; round++) {
    hold.held = true;
    component.crash();
    await poll(() => (stdout().includes('stays down') ? true : undefined), 5_000);
    expect(component.starts).toBe(round);
    for (const stream of quiet) stream.mockClear();
    hold.held = false;
    expect(await poll(() => (component.starts === round + 1 ? true : undefined), 5_000)).toBe(true);
    expect(await poll(() => (log.length === round ? true : undefined), 5_000)).toBe(true);
  }
  expect(log).toEqual(Array.from({ length: 7 }, () => 'started'));
  await supervisor.stop();
});

test('what is held while it starts is stopped once it runs, and a stop does not wait for its release', async () => {
  const log: string[] = [];
  const hold = new FakeHold(log);
  const supervisor = new Supervisor((reason) => log.push(reason));
  const holdDuringSecondStart = (start: number) => {
    hold.held = start === 2;
    return false;
  };
  const component = new Fake('it', log, holdDuringSecondStart, hold);
  await supervisor.start(component);
  component.crash();
  expect(await poll(() => (stdout().includes('stays down') ? true : undefined), 5_000)).toBe(true);
  expect(log).toEqual(['started', 'stop it']);
  await supervisor.stop();
  expect(component.starts).toBe(2);
});
