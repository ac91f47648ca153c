import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type DueChange, PendingChanges } from './pending-changes.js';
import { changeOf } from './sample-change.js';

/** Puts in the next version of a stock. */
class Writer {
  readonly versions = new Map<string, number>();

  constructor(private readonly pending: PendingChanges) {}

  write(productId: string): void {
    const version = (this.versions.get(productId) ?? 0) + 1;
    this.versions.set(productId, version);
    this.pending.add(changeOf(productId, version));
  }
}

/** Follows what is taken: each stock's versions go up, and what is left out is told. */
class Reader {
  readonly versions = new Map<string, number>();
  skipped = 0;

  read(due: readonly DueChange[]): void {
    for (const { change, skippedVersions } of due) {
      const before = this.versions.get(change.productId) ?? 0;
      expect(Number(change.version)).toBe(before + skippedVersions + 1);
      this.versions.set(change.productId, Number(change.version));
      this.skipped += skippedVersions;
    }
  }
}

test('who reads in time gets every change, who does not the newest of each stock and how many are left out', () => {
  const reads = fc.array(fc.tuple(fc.nat(1_500), fc.nat(1_200), fc.integer({ min: 1, max: 300 })), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(reads, (steps) => {
      const pending = new PendingChanges();
      const writer = new Writer(pending);
      const reader = new Reader();
      let waiting = 0;
      let late = false;
      for (const [writes, taken, stocks] of steps) {
        for (let n = 0; n < writes; n++) writer.write(`P${(n * 7) % stocks}`);
        waiting += writes;
        late ||= waiting > 4_000;
        expect(pending.overflowing).toBe(false);
        reader.read(pending.take(taken));
        waiting = Math.max(0, waiting - taken);
      }
      reader.read(pending.take(Number.POSITIVE_INFINITY));
      expect(reader.versions).toEqual(writer.versions);
      expect(pending.size).toBe(0);
      if (!late) expect(reader.skipped).toBe(0);
    }),
    { seed: 6, numRuns: 40 },
  );
});

test('after everything was taken, every change is kept again', () => {
  const pending = new PendingChanges();
  const writer = new Writer(pending);
  for (let n = 0; n < 4_001; n++) writer.write('P');
  expect(pending.take(10)).toMatchObject([{ skippedVersions: 4_000 }]);
  for (let n = 0; n < 3; n++) writer.write('P');
  expect(pending.take(10).map(({ skippedVersions }) => skippedVersions)).toEqual([0, 0, 0]);
});

test('more stocks than 4,000 are too many, and so are fewer with long ids and actors', () => {
  const pending = new PendingChanges();
  for (let n = 0; n < 3_700; n++) pending.add(changeOf(`P${n}`, 1));
  expect(pending.overflowing).toBe(false);
  for (let n = 0; n < 301; n++) pending.add(changeOf(`Q${n}`, 1));
  expect(pending.overflowing).toBe(true);
  const long = new PendingChanges();
  for (let n = 0; n < 2_500; n++) long.add(changeOf(`P${n}`, 1, 'x'.repeat(200)));
  expect(long.overflowing).toBe(true);
});

test('what is known already is not given to another, nor counted as left out; nor is what shall be dropped', () => {
  const [from, to] = [new PendingChanges(), new PendingChanges()];
  for (let version = 1; version <= 1_100; version++)
    for (const product of ['known', 'partly', 'new', 'dropped']) from.add(changeOf(product, version));
  const known: Record<string, bigint | 'DROP'> = { known: 1_100n, partly: 1_090n, new: 0n, dropped: 'DROP' };
  from.moveTo(to, ({ productId }) => known[productId]!);
  expect(from.size).toBe(0);
  const due = to.take(10);
  expect(
    due.map(({ change, skippedVersions }) => [change.productId, change.version, skippedVersions]),
  ).toEqual([
    ['partly', 1_100n, 9],
    ['new', 1_100n, 1_099],
  ]);
});
