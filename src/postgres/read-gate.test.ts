import { expect, test } from '@jest/globals';
import { GateFull, ReadGate } from './read-gate.js';

/** Reads that end when the test says so. */
class Reads {
  readonly ends: (() => void)[] = [];
  most = 0;
  #running = 0;
  readonly read = async () => {
    this.most = Math.max(this.most, ++this.#running);
    await new Promise<void>((resolve) => {
      this.ends.push(resolve);
    });
    this.#running--;
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('so many run at once, the others in their order after them', async () => {
  const gate = new ReadGate(2, 10);
  const reads = new Reads();
  const order: number[] = [];
  const all = [0, 1, 2, 3, 4].map((n) => gate.run(10_000, reads.read).then(() => order.push(n)));
  await turn();
  expect([gate.running, gate.waiting]).toEqual([2, 3]);
  for (let n = 0; n < 5; n++) {
    reads.ends[n]!();
    await turn();
  }
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3, 4]);
  expect(reads.most).toBe(2);
  expect([gate.running, gate.waiting]).toEqual([0, 0]);
});

test('beyond the bounds of number and time nobody waits, and a failure gives its place back', async () => {
  const gate = new ReadGate(1, 1);
  const reads = new Reads();
  const running = gate.run(10_000, reads.read);
  const waiting = gate.run(20, reads.read);
  await expect(gate.run(10_000, reads.read)).rejects.toThrow(GateFull);
  await expect(waiting).rejects.toThrow(GateFull);
  expect([gate.running, gate.waiting]).toEqual([1, 0]);
  reads.ends[0]!();
  await running;
  await expect(gate.run(10, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(gate.running).toBe(0);
});
