import { describe, expect, test } from '@jest/globals';
import type { StockChange } from '../domain/types.js';
import { changeOf } from '../feed/sample-change.js';
import type { WatchBatch } from '../feed/watch.js';
import { ChangesElsewhere } from './changes-elsewhere.js';
import { OwnSequences } from './own-sequences.js';
import type { StocksChanged } from './store-message.js';

const EPOCH = 7n;
const MARK = { cursor: { timeline: 1 }, sentMs: 1_000, watermarkUs: 0 } as unknown as WatchBatch['mark'] & {};

const own = (productId: string, version: number, sequence: number): StockChange => ({
  ...changeOf(productId, version),
  ...{ syncEpoch: EPOCH, syncSequence: BigInt(sequence) },
});

/** Changes with the versions left out before each, as the feed delivers them. */
type Due = readonly (StockChange | readonly [StockChange, skipped: number])[];

const batch = (phase: WatchBatch['phase'], due: Due, mark: WatchBatch['mark'] = MARK): WatchBatch => ({
  ...{ phase, mark, stocks: [], snapshotComplete: false },
  changes: due.map((each) => {
    const [change, skippedVersions] = Array.isArray(each)
      ? (each as [StockChange, number])
      : [each as StockChange, 0];
    return { change, skippedVersions };
  }),
});

function begun() {
  const clock = { ms: 0 };
  const sequences = new OwnSequences(EPOCH, 10n, () => clock.ms);
  const changes = new ChangesElsewhere(sequences);
  const take = (...args: Parameters<typeof batch>) => changes.take(batch(...args));
  return { clock, sequences, take };
}

const told = (messages: readonly StocksChanged[]) =>
  messages.flatMap(({ changes }) => changes.map(({ productId, version }) => `${productId} ${version}`));

describe('what is live', () => {
  test('is sent in its newest state, with the place up to which it is complete', () => {
    const { take } = begun();
    const messages = take('LIVE', [changeOf('P', 1), changeOf('Q', 4), changeOf('P', 2)]);
    expect(told(messages)).toEqual(['Q 4', 'P 2']);
    expect(messages).toMatchObject([{ kind: 'CHANGE', includedSequence: 10n, cursor: MARK.cursor }]);
  });

  test("leaves out what only the store's own log has changed", () => {
    const { take } = begun();
    expect(told(take('LIVE', [own('P', 1, 11), changeOf('Q', 1), own('Q', 2, 11)]))).toEqual(['Q 2']);
  });

  test('takes what was skipped for a change by others: it may have been anything', () => {
    const { take } = begun();
    expect(told(take('LIVE', [[own('P', 5, 12), 3], own('Q', 1, 12)]))).toEqual(['P 5']);
  });

  test('includes the own messages that were committed before the poll was sent', () => {
    const { clock, sequences, take } = begun();
    clock.ms = 999;
    sequences.committed(11n);
    clock.ms = 1_001;
    sequences.committed(12n);
    expect(take('LIVE', [changeOf('P', 1)])).toMatchObject([{ includedSequence: 11n }]);
  });

  test('is told even where there is nothing: up to where it is complete', () => {
    const { take } = begun();
    expect(take('LIVE', [])).toEqual([
      { kind: 'CHANGE', changes: [], includedSequence: 10n, cursor: MARK.cursor },
    ]);
  });
});

test('more than 500 stocks are several messages, of which only the last has the cursor', () => {
  const { take } = begun();
  const messages = take(
    'LIVE',
    Array.from({ length: 1_201 }, (_, nth) => changeOf(`P${nth}`, 1)),
  );
  expect(messages.map(({ changes, cursor }) => [changes.length, cursor !== undefined])).toEqual([
    [500, false],
    [500, false],
    [201, true],
  ]);
});

describe('what is caught up with', () => {
  test('is sent without a cursor until it is complete; the last stock of a page waits for the next page', () => {
    const { take } = begun();
    expect(told(take('CATCH_UP', [changeOf('P', 1), changeOf('P', 2), changeOf('Q', 1)]))).toEqual(['P 2']);
    const second = take('CATCH_UP', [changeOf('Q', 2), changeOf('R', 1)]);
    expect(told(second)).toEqual(['Q 2']);
    expect(second.at(-1)?.cursor).toBeUndefined();
    const end = take('CATCH_UP', []);
    expect(told(end)).toEqual(['R 1']);
    expect(end.at(-1)?.cursor).toBe(MARK.cursor);
  });

  test('an own change on the next page does not hide one by others on the page before', () => {
    const { take } = begun();
    take('CATCH_UP', [changeOf('P', 1)]);
    expect(told(take('CATCH_UP', [own('P', 2, 11), own('Q', 1, 11)]))).toEqual(['P 2']);
  });

  test('includes the own messages that were read, not those that were committed meanwhile', () => {
    const { sequences, take } = begun();
    sequences.committed(13n);
    const [page] = take('CATCH_UP', [changeOf('P', 1), own('P', 2, 11), own('Q', 1, 12)]);
    expect(page?.includedSequence).toBe(12n);
  });

  test('of any length, one stock is kept between pages', () => {
    const { take } = begun();
    let sent = 0;
    for (let page = 0; page < 50; page++) {
      const due = Array.from({ length: 1_000 }, (_, nth) => changeOf(`P${page}-${nth}`, 1));
      sent += told(take('CATCH_UP', due)).length;
      expect((page + 1) * 1_000 - sent).toBe(1);
    }
    expect(told(take('CATCH_UP', [])).length).toBe(1);
    expect(told(take('LIVE', [])).length).toBe(0);
  });
});
