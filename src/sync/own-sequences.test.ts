import { describe, expect, test } from '@jest/globals';
import type { StockChange } from '../domain/types.js';
import { changeOf } from '../feed/sample-change.js';
import { OwnSequences } from './own-sequences.js';

const EPOCH = 7n;

const own = (sequence: number): StockChange => ({
  ...changeOf('P', sequence),
  ...{ syncEpoch: EPOCH, syncSequence: BigInt(sequence) },
});
const foreign = changeOf('P', 1);
const ofOlderEpoch: StockChange = { ...own(99), syncEpoch: EPOCH - 1n };

/** A stream that began behind message 10, and its clock. */
function begun() {
  const clock = { ms: 1_000 };
  return { clock, sequences: new OwnSequences(EPOCH, 10n, () => clock.ms) };
}

test('only changes of this very log are own ones', () => {
  const { sequences } = begun();
  expect([own(1), ofOlderEpoch, foreign].map((change) => sequences.isOwn(change))).toEqual([
    true,
    false,
    false,
  ]);
});

describe('what the feed has delivered includes', () => {
  test('what was committed when the stream began', () => {
    expect(begun().sequences.includedNow(0)).toBe(10n);
  });

  test('what was committed before the poll was sent, and nothing after that', () => {
    const { clock, sequences } = begun();
    sequences.committed(11n);
    clock.ms = 1_010;
    sequences.committed(12n);
    clock.ms = 1_020;
    sequences.committed(13n);
    expect(sequences.includedNow(999)).toBe(10n);
    expect(sequences.includedNow(1_000)).toBe(11n);
    expect(sequences.includedNow(1_019)).toBe(12n);
    expect(sequences.includedNow(1_019)).toBe(12n);
    expect(sequences.includedNow(5_000)).toBe(13n);
  });

  test('a message of which it has shown a change, even before its acknowledgement', () => {
    const { sequences } = begun();
    sequences.delivered(own(12));
    sequences.delivered(own(11));
    expect(sequences.includedNow(0)).toBe(12n);
  });

  test('nothing that another log, or another epoch, has done', () => {
    const { sequences } = begun();
    sequences.delivered(foreign);
    sequences.delivered(ofOlderEpoch);
    expect(sequences.includedNow(5_000)).toBe(10n);
  });

  test('never less than it did before', () => {
    const { sequences } = begun();
    sequences.delivered(own(15));
    expect(sequences.includedNow(0)).toBe(15n);
    sequences.committed(11n);
    expect(sequences.includedNow(5_000)).toBe(15n);
  });
});

describe('changes that were read from the log include', () => {
  test('the newest own message among them, whatever is committed or delivered since', () => {
    const { sequences } = begun();
    sequences.committed(14n);
    sequences.delivered(own(15));
    expect(sequences.includedIn([own(11), own(13), foreign, ofOlderEpoch])).toBe(13n);
    expect(sequences.includedIn([foreign])).toBe(13n);
    expect(sequences.includedIn([])).toBe(13n);
  });
});

test('what is remembered is bounded; then too little is told for a while, never too much, and all in the end', () => {
  const { clock, sequences } = begun();
  const last = 20_000;
  let most = 0;
  for (let sequence = 11; sequence <= last; sequence++) {
    clock.ms = sequence;
    sequences.committed(BigInt(sequence));
    most = Math.max(most, sequences.remembered);
  }
  expect(most).toBeLessThanOrEqual(1_000);
  for (let sentMs = 11; sentMs < last; sentMs += 997)
    expect(sequences.includedNow(sentMs)).toBeLessThanOrEqual(BigInt(sentMs));
  // At most what one of them stands for is missing.
  expect(Number(sequences.includedNow(last - 1))).toBeGreaterThan(last - 1_000);
  expect(sequences.includedNow(last)).toBe(BigInt(last));
  expect(sequences.remembered).toBe(0);
});
