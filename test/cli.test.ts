import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { runCliProcess } from './cli-process.js';
import { type ServiceProcess, startService } from './service-process.js';

const EVENT_ID = '01890a5d-ac96-774b-bcce-b302099a8057';

let database: TestDatabase;
let service: ServiceProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
}, 60_000);

afterAll(async () => {
  await service?.stop();
  await database?.drop();
});

const onhand = (...words: string[]) => runCliProcess(service.grpcAddress, words);

/** The cells of the first row under a table's head. */
const firstRow = (table: string) =>
  table
    .split('\n')
    .filter((line) => line.startsWith('│'))[1]
    ?.split('│')
    .slice(1, -1)
    .map((cell) => cell.trim());

describe('the command line tool against a service', () => {
  test('restocks with an event id of its own, shown before and in the answer', async () => {
    const { code, out, err } = await onhand('restock', 'STORE 1', 'Ä-1', '1500', '--metadata', 'till=4');
    expect(code).toBe(0);
    const [, eventId] = /^Event id: ([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21})\n$/.exec(err) ?? [];
    expect(firstRow(out)).toEqual(['STORE 1', 'Ä-1', '1,500', '0', '1,500', '1', eventId]);
  });

  test('sells once, however often it is told with the same event id', async () => {
    const words = ['sell', 'STORE 1', 'Ä-1', '500', '--event-id', EVENT_ID];
    const first = await onhand(...words);
    const again = await onhand(...words);
    expect([first.code, first.err, again.code]).toEqual([0, '', 0]);
    expect(firstRow(first.out)).toEqual(['STORE 1', 'Ä-1', '500', '1,500', '1,000', '2', EVENT_ID]);
    expect(firstRow(again.out)).toEqual(firstRow(first.out));
    expect(first.out).not.toContain('Replayed');
    expect(again.out).toContain('Replayed: this event id was done before.');
  });

  test('reads its own write with --min-version, and the primary with --strong', async () => {
    const read = await onhand('get', 'STORE 1', 'Ä-1', '--min-version', '2');
    expect(read.code).toBe(0);
    expect(firstRow(read.out)?.slice(0, 5)).toEqual(['STORE 1', 'Ä-1', '1,000', '0', '2']);
    expect(read.out).toMatch(/Read from the .+, at most [\d,]+ ms old\./);
    const strong = await onhand('get', 'STORE 1', 'Ä-1', '--strong', '--json');
    expect(JSON.parse(strong.out)).toMatchObject({
      stock: { storeId: 'STORE 1', productId: 'Ä-1', quantity: 1_000, oversold: 0, version: '2' },
      source: 'SOURCE_PRIMARY',
      cached: false,
      stale: false,
    });
    expect(JSON.parse(strong.out).stock.updateTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  });

  test('lists a page with the way to the next, or all', async () => {
    for (const product of ['a', 'b', 'c']) await onhand('restock', 'STORE 2', product, '1');
    const page = await onhand('list', '--store', 'STORE 2', '--page-size', '2', '--strong');
    const [, token = ''] = /add --page-token (\S+) for the next page/.exec(page.out) ?? [];
    expect(firstRow(page.out)?.[1]).toBe('a');
    const next = await onhand('list', '--store', 'STORE 2', '--page-size', '2', '--page-token', token);
    expect(firstRow(next.out)?.[1]).toBe('c');
    expect(next.out).not.toContain('--page-token');
    const all = await onhand('list', '--store', 'STORE 2', '--page-size', '1', '--all', '--json', '--strong');
    const { stocks, nextPageToken } = JSON.parse(all.out);
    expect(stocks.map(({ productId }: { productId: string }) => productId)).toEqual(['a', 'b', 'c']);
    expect(nextPageToken).toBe('');
    expect((await onhand('list', '--store', 'nobody')).out).toMatch(/^No stocks\.\n/);
  });

  test.each([
    [['get', 'STORE 1', 'none'], 1, 'STOCK_NOT_FOUND (NOT_FOUND)'],
    [['sell', 'STORE 1', 'none', '1'], 1, 'STOCK_NOT_FOUND (NOT_FOUND)'],
    [['sell', 'STORE 1', 'Ä-1', '1001'], 1, 'available  1000'],
    [['sell', 'STORE 1', 'Ä-1', '499', '--event-id', EVENT_ID], 1, 'EVENT_ID_REUSED (FAILED_PRECONDITION)'],
    [['get', 'STORE 1', 'Ä-1', '--min-version', '99'], 1, 'VERSION_NOT_REACHED (FAILED_PRECONDITION)'],
    [['sell', 'STORE 1', 'Ä-1', '0'], 2, 'Quantity must be at least 1'],
    [['sell', 'STORE 1', 'Ä-1', '10001'], 2, 'Quantity must not exceed 10,000'],
    [['get', ' ', 'Ä-1'], 2, 'Store ID is required'],
    [['list', '--store', 'STORE 1', '--page-token', 'x'], 2, 'PAGE_TOKEN_INVALID (INVALID_ARGUMENT)'],
  ])('%j exits with %i and says why', async (words, exitCode, message) => {
    const { code, out, err } = await onhand(...words);
    expect([code, out]).toEqual([exitCode, '']);
    expect(err).toContain(message);
  });
});
