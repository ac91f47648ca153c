import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import type { Stock, StockChange, WatchResponse } from './messages.js';
import { TextChannel } from './terminal.js';
import { newsOf, SeenVersions, WatchLines } from './watch-lines.js';

const stockOf = (productId: string, version: number, quantity = 0, oversold = 0): Stock => ({
  ...{ storeId: 'S', productId, quantity, oversold, version: String(version) },
  ...{ createTime: '2026-01-01T00:00:00Z', updateTime: '2026-01-02T00:00:00Z' },
});

const changeOf = (stock: Stock, appliedDelta: number, more: Partial<StockChange> = {}): StockChange => ({
  ...{ stock, eventId: '', type: 'OPERATION_TYPE_SALE', effect: 'EFFECT_APPLIED', actor: 'till', origin: '' },
  ...{ requestedDelta: appliedDelta, appliedDelta, occurredTime: '', skippedVersions: '0' },
  ...{ recordedTime: '2026-01-02T00:00:00Z', ...more },
});

const message = (stocks: Stock[], changes: StockChange[] = []): WatchResponse => ({
  ...{ stocks, changes, cursor: '', snapshotComplete: false },
});

test('a change that comes again is no news, and a snapshot tells what was missed since the one before', () => {
  const seen = new SeenVersions();
  const versionsIn = (given: WatchResponse) => {
    const { missed, changes } = newsOf(given, seen);
    return [missed.map(({ version }) => version), changes.map(({ stock }) => stock.version)];
  };
  expect(versionsIn(message([stockOf('A', 9), stockOf('B', 1)]))).toEqual([[], []]);
  const [ninth, tenth] = [9, 10].map((version) => changeOf(stockOf('A', version), -1));
  expect(versionsIn(message([], [ninth!, tenth!]))).toEqual([[], ['10']]);
  expect(versionsIn(message([], [ninth!, tenth!]))).toEqual([[], []]);
  expect(versionsIn(message([stockOf('A', 12), stockOf('B', 1), stockOf('C', 1)]))).toEqual([['12'], []]);
});

test('lines have their columns below each other, and say what was left out; colours on a terminal only', () => {
  const printed = (isTTY: boolean) => {
    const stream = Object.assign(new PassThrough(), { isTTY });
    const lines = new WatchLines(new TextChannel(stream, false));
    const oversold = changeOf(stockOf('A', 1_000, 0, 4), -1_200, {
      ...{ effect: 'EFFECT_OVERSOLD', skippedVersions: '3' },
    });
    lines.print({ missed: [], changes: [oversold, changeOf(stockOf('LONG_PRODUCT', 2, 5), 5)] });
    return stream.read().toString().trimEnd().split('\n');
  };
  expect(printed(false)).toEqual([
    'Recorded                     Store      Product    Type      Change  On hand  Version  Actor      Outcome',
    '2026-01-02T00:00:00Z         S          A          SALE      -1,200       -4    1,000  till       OVERSOLD, 3 before it left out',
    '2026-01-02T00:00:00Z         S          LONG_PRODUCT  SALE          +5        5        2  till       APPLIED',
  ]);
  const [title, down, up] = printed(true);
  expect(title).toContain('\u001b[1mRecorded');
  expect(down).toContain('\u001b[31m -1,200\u001b[39m');
  expect(up).toContain('\u001b[32m     +5\u001b[39m');
});
