import { expect, test } from '@jest/globals';
import { Flights } from './flights.js';

const inMs = (ms: number) => performance.now() + ms;

/** Reads that end when the test says so. */
class Reads {
  readonly endings: { resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
  readonly read = () =>
    new Promise<string>((resolve, reject) => {
      this.endings.push({ resolve, reject });
    });
}

test('who wants the same takes the same answer; who comes after it asks anew', async () => {
  const flights = new Flights<string>();
  const reads = new Reads();
  const answers = Array.from({ length: 200 }, () => flights.join('A', inMs(1_000), reads.read));
  const other = flights.join('B', inMs(1_000), reads.read);
  expect(reads.endings).toHaveLength(2);
  reads.endings[0]!.resolve('a');
  reads.endings[1]!.resolve('b');
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['a']));
  expect(await other).toBe('b');
  const again = flights.join('A', inMs(1_000), reads.read);
  reads.endings[2]!.resolve('a2');
  expect(await again).toBe('a2');
});

test('a failure is that of all, and is not kept', async () => {
  const flights = new Flights<string>();
  const reads = new Reads();
  const answers = [1, 2].map(() => flights.join('A', inMs(10_000), reads.read));
  const failed = Promise.all(answers.map((answer) => expect(answer).rejects.toThrow('gone')));
  reads.endings[0]!.reject(new Error('gone'));
  await failed;
  expect(reads.endings).toHaveLength(1);
  const again = flights.join('A', inMs(10_000), reads.read);
  reads.endings[1]!.resolve('back');
  expect(await again).toBe('back');
});

test('who has more time than the one who asked first does not fail with it', async () => {
  const flights = new Flights<string>();
  const reads = new Reads();
  const first = flights.join('A', inMs(0), reads.read);
  const patient = [1, 2].map(() => flights.join('A', inMs(10_000), reads.read));
  const failed = expect(first).rejects.toThrow('too late');
  reads.endings[0]!.reject(new Error('too late'));
  await failed;
  while (reads.endings.length < 2) await new Promise((resolve) => setImmediate(resolve));
  reads.endings[1]!.resolve('in time');
  expect(await Promise.all(patient)).toEqual(['in time', 'in time']);
  expect(reads.endings).toHaveLength(2);
});
