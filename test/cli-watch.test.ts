import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { runCliProcess, startCliProcess } from './cli-process.js';
import { LastingService } from './lasting-service.js';

let database: TestDatabase;
let service: LastingService;

beforeAll(async () => {
  database = await createTestDatabase();
  service = await LastingService.start(database.url);
});

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const watch = (...words: string[]) => startCliProcess(service.grpcAddress, ['watch', ...words]);
const READY = 'now; changes follow.';

/** The cells of the lines below the titles, without the time. */
const linesOf = (out: string): string[][] =>
  out
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/ {2,}/).slice(1));
const versionsOf = (out: string): number[] => linesOf(out).map((cells) => Number(cells[5]));
const cursorIn = (err: string): string => /--from-cursor (\S+)\n$/.exec(err)?.[1] ?? '';
const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

test('shows each change as it happens, and goes on from the cursor where it ended', async () => {
  await service.move('S 1', 'A', 1_500);
  const first = watch('--store', 'S 1', '--count', '2');
  await first.says(`1 stock ${READY}`);
  await service.move('S 1', 'A', -3);
  await service.move('S 2', 'A', 1);
  await service.move('S 1', 'Ä-1', 7);
  const { code, out, err } = await first.ended;
  expect([code, linesOf(out)]).toEqual([
    0,
    [
      ['S 1', 'A', 'SALE', '-3', '1,497', '2', 'anonymous', 'APPLIED'],
      ['S 1', 'Ä-1', 'RESTOCK', '+7', '7', '1', 'anonymous', 'APPLIED'],
    ],
  ]);
  expect(out).toMatch(
    /^Recorded +Store +Product +Type +Change +On hand +Version +Actor +Outcome\n\d{4}-\d\d-\d\dT/,
  );
  expect(out).not.toContain('\u001b');
  expect(err).toMatch(/\n2 changes\. To go on from here: --from-cursor \S+\n$/);

  await service.move('S 1', 'A', -7);
  const later = await watch('--store', 'S 1', '--from-cursor', cursorIn(err), '--until-idle', '1').ended;
  expect([later.code, linesOf(later.out).map((cells) => cells.slice(0, 5))]).toEqual([
    0,
    [['S 1', 'A', 'SALE', '-7', '1,490']],
  ]);
});

test('watches products, of a store or of all', async () => {
  const inStore = watch('--store', 'S 3', '--product', 'A', '--product', 'B', '--count', '2');
  const everywhere = watch('--product', 'B', '--count', '2');
  await Promise.all([inStore.says(`0 stocks ${READY}`), everywhere.says(`0 stocks ${READY}`)]);
  for (const [store, product] of [
    ['S 4', 'B'],
    ['S 3', 'C'],
    ['S 3', 'B'],
    ['S 3', 'A'],
  ] as const) {
    await service.move(store, product, 1);
  }
  const keysOf = (out: string) => linesOf(out).map((cells) => cells.slice(0, 2).join('/'));
  expect(keysOf((await inStore.ended).out).sort()).toEqual(['S 3/A', 'S 3/B']);
  expect(keysOf((await everywhere.ended).out)).toEqual(['S 4/B', 'S 3/B']);
});

test('prints the messages of the stream as JSON, one a line', async () => {
  await service.move('S 5', 'A', 5);
  const watching = watch('--store', 'S 5', '--json', '--count', '1');
  await watching.says(READY);
  await service.move('S 5', 'A', -2);
  const { code, out } = await watching.ended;
  const messages = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(code).toBe(0);
  expect(messages.flatMap(({ stocks }) => stocks)).toMatchObject([
    { productId: 'A', quantity: 5, version: '1' },
  ]);
  expect(messages.filter(({ snapshotComplete }) => snapshotComplete)).toHaveLength(1);
  expect(messages.at(-1)).toMatchObject({
    cursor: expect.stringMatching(/./),
    changes: [
      {
        stock: { storeId: 'S 5', productId: 'A', quantity: 3, oversold: 0, version: '2' },
        ...{ type: 'OPERATION_TYPE_SALE', effect: 'EFFECT_APPLIED', requestedDelta: -2, appliedDelta: -2 },
        ...{ actor: 'anonymous', origin: 'ORIGIN_REST', skippedVersions: '0' },
        recordedTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
      },
    ],
  });
});

test('goes on by itself after the service was killed and after it was stopped: nothing missing, nothing twice', async () => {
  const watching = watch('--store', 'S 6', '--count', '9');
  await watching.says(READY);
  const changes = async (first: number) => {
    for (const version of upTo(first + 2, first)) expect(await service.move('S 6', 'A', 1)).toBe(version);
  };
  await changes(1);
  await service.kill9();
  await watching.says('trying again until it is there.');
  await service.startAgain(database.url);
  await changes(4);
  await watching.says('Watching again, from where it was.');
  await service.stop();
  await service.startAgain(database.url);
  await changes(7);
  const { code, out, err } = await watching.ended;
  expect([code, versionsOf(out)]).toEqual([0, upTo(9)]);
  expect(err.match(/trying again/g)).toHaveLength(2);
});

test('where its cursor is no longer good it begins anew, and says what was missed', async () => {
  const other = await createTestDatabase();
  const watching = watch('--store', 'S 7', '--count', '2');
  try {
    await watching.says(READY);
    await service.move('S 7', 'A', 10);
    await watching.says('RESTOCK');
    await service.stop();
    await service.startAgain(other.url);
    for (const units of [1, 2, 3]) await service.move('S 7', 'A', units);
    await watching.says('Some changes are not shown.');
    await watching.says(`1 stock ${READY}`);
    await service.move('S 7', 'A', -1);
    const { code, out, err } = await watching.ended;
    expect([code, linesOf(out)]).toEqual([
      0,
      [
        ['S 7', 'A', 'RESTOCK', '+10', '10', '1', 'anonymous', 'APPLIED'],
        ['S 7', 'A', '6', '3', 'CHANGES MISSED'],
        ['S 7', 'A', 'SALE', '-1', '5', '4', 'anonymous', 'APPLIED'],
      ],
    ]);
    await service.stop();
    await service.startAgain(database.url);
    const gone = await watch('--store', 'S 7', '--from-cursor', cursorIn(err)).ended;
    expect([gone.code, gone.out]).toEqual([1, '']);
    expect(gone.err).toContain('RESYNC (OUT_OF_RANGE)');
    expect(gone.err).toContain('Leave --from-cursor away');
  } finally {
    watching.child.kill();
    await other.drop();
  }
});

test('Ctrl-C ends it well, also while there is no service', async () => {
  const watching = watch('--store', 'S 8');
  await watching.says(READY);
  watching.child.kill('SIGINT');
  expect(await watching.ended).toMatchObject({ code: 0, out: '' });

  const waiting = watch('--store', 'S 8');
  await waiting.says(READY);
  await service.stop();
  await waiting.says('trying again');
  waiting.child.kill('SIGINT');
  expect(await waiting.ended).toMatchObject({ code: 0, out: '' });
  const refused = await watch('--store', 'S 8').ended;
  expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('The service cannot be reached')]);
  await service.startAgain(database.url);
});

test.each([
  [['--store', 'x'.repeat(51)], 'Store ID must not exceed 50 characters'],
  [['--store', 'S 1', '--from-cursor', 'x'], 'Cursor must be one that this service gave'],
])('%j is wrong usage', async (words, message) => {
  const { code, out, err } = await runCliProcess(service.grpcAddress, ['watch', ...words]);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(message);
});
