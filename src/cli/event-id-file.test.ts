import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { planEventIds, readEventIds, writeEventIds } from './event-id-file.js';
import type { FileOperation } from './operations.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-ids-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const operation = (changes: Partial<FileOperation> = {}): FileOperation => ({
  ...{ place: 'line 2', storeId: 'S', productId: 'p', type: 'SALE', quantity: 1, eventId: undefined },
  ...{ occurredTime: '', reason: '', metadata: {} },
  ...changes,
});
const plan = (
  operations: FileOperation[],
  ...rest: [Parameters<typeof planEventIds>[1]?, Parameters<typeof planEventIds>[2]?]
) => planEventIds(operations, rest[0], rest[1], 'x.ids');

test('new ids are made, each its own; an operation with an id keeps it and is not written', () => {
  const own = '0190163d-8694-739b-aea5-966c26f8ad91';
  const { eventIds, entries, kept, added } = plan([operation(), operation({ eventId: own }), operation()]);
  expect([eventIds[1], new Set(eventIds).size, kept, added]).toEqual([own, 3, 0, 2]);
  expect(entries.map(([, eventId]) => eventId)).toEqual([eventIds[0], eventIds[2]]);
});

test('what an earlier run asked for keeps its id, in the order of those that are alike; the rest gets new ones', () => {
  const [alike, other, gone] = [operation(), operation({ quantity: 2 }), operation({ quantity: 3 })];
  const first = plan([alike, alike, other, gone]);
  const earlier = { complete: false, entries: first.entries };
  const metadata = { a: '1', b: '2' };
  const changed = operation({ metadata });
  const second = plan([changed, alike, other, alike, alike], earlier);
  expect([second.kept, second.added]).toEqual([3, 2]);
  expect([1, 3, 2].map((index) => second.eventIds[index])).toEqual(first.eventIds.slice(0, 3));
  expect(first.eventIds).not.toContain(second.eventIds[0]);
  expect(first.eventIds).not.toContain(second.eventIds[4]);
  // The operation that is gone may come back; the keys of metadata have no order.
  const third = plan([gone, operation({ metadata: { b: '2', a: '1' } })], {
    complete: false,
    entries: second.entries,
  });
  expect(third.eventIds).toEqual([first.eventIds[3], second.eventIds[0]]);
});

test('a completed run: the same file is the same, a changed one must be explained', () => {
  const operations = [operation(), operation({ quantity: 2 })];
  const earlier = { complete: true, entries: plan(operations).entries };
  const ids = earlier.entries.map(([, eventId]) => eventId);
  expect(plan(operations, earlier).eventIds).toEqual(ids);
  expect(plan(operations.slice(1), earlier).eventIds).toEqual(ids.slice(1));
  const changed = [operation(), operation({ quantity: 3 })];
  expect(() => plan(changed, earlier)).toThrow('Add --resume if it was corrected');
  expect(plan(changed, earlier, 'resume')).toMatchObject({ kept: 1, added: 1 });
  expect(plan(operations, earlier, 'again')).toMatchObject({ kept: 0, added: 2 });
});

test('a file of ids is written whole and read back; another one is refused', () => {
  const path = join(folder, 'x.ids');
  expect(readEventIds(path)).toBeUndefined();
  const ids = { complete: false, entries: plan([operation({ productId: 'ä "\n' }), operation()]).entries };
  writeEventIds(path, ids);
  expect(readEventIds(path)).toEqual(ids);
  expect(readdirSync(folder)).toEqual(['x.ids']);
  for (const content of ['', '{}', 'store_id']) {
    writeFileSync(path, content);
    expect(() => readEventIds(path)).toThrow('is no file of event ids');
  }
  expect(() => writeEventIds(join(folder, 'none', 'x.ids'), ids)).toThrow(
    'cannot be kept, and nothing was sent',
  );
});
