import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { runCliProcess, startCliProcess } from './cli-process.js';
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

/** The cells of the rows under a table's head. */
const rowsOf = (table: string) =>
  table
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .slice(1)
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
const firstRow = (table: string) => rowsOf(table)[0];

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

  test('shows what happened, the newest first, refused commands too', async () => {
    const { code, out } = await onhand('events', '--store', 'STORE 1', '--strong');
    expect(code).toBe(0);
    expect(rowsOf(out).map((row) => row.slice(1, -1))).toEqual([
      ['Ä-1', 'SALE', '-500', '1,500', '1,000', '2', 'APPLIED', 'GRPC', 'anonymous'],
      ['Ä-1', 'RESTOCK', '1,500', '0', '1,500', '1', 'APPLIED', 'GRPC', 'anonymous'],
    ]);
    expect(out).toMatch(/2 events\. Read from the primary, at most [\d,]+ ms old\.\n$/);

    await onhand('sell', 'STORE 1', 'Ä-1', '1001');
    const refused = await onhand('events', '--store', 'STORE 1', '--status', 'FAILED', '--strong');
    expect(rowsOf(refused.out).map((row) => row[7])).toEqual(['INSUFFICIENT_STOCK']);
    const one = await onhand('events', '--store', 'STORE 1', '--event-id', EVENT_ID, '--json', '--strong');
    expect(JSON.parse(one.out)).toMatchObject({
      events: [
        { eventId: EVENT_ID, type: 'OPERATION_TYPE_SALE', appliedDelta: -500, reason: expect.any(String) },
      ],
      nextPageToken: '',
      source: 'SOURCE_PRIMARY',
    });
    const filters = ['--type', 'restock', '--origin', 'grpc', '--actor', 'anonymous', '--since', '1h'];
    const filtered = await onhand('events', '--store', 'STORE 1', ...filters, '--product', 'Ä-1', '--strong');
    expect(rowsOf(filtered.out).map((row) => row[2])).toEqual(['RESTOCK']);
    expect((await onhand('events', '--store', 'STORE 1', '--until', '1h')).out).toMatch(/^No events\.\n/);
  });

  test('goes on where the limit of events was, from either end', async () => {
    const { out } = await onhand('events', '--store', 'STORE 1', '--limit', '1', '--strong');
    expect(out).toMatch(/1 event\. [\s\S]*There may be more: add --page-token \S+ to go on, or --all\.\n$/);
    const inStore = ['events', '--store', 'STORE 1', '--json', '--strong'];
    const versionsOf = async (...words: string[]) => {
      const { events, nextPageToken } = JSON.parse((await onhand(...inStore, ...words)).out);
      return { versions: events.map(({ version }: { version: string }) => version), nextPageToken };
    };
    const first = await versionsOf('--oldest-first', '--limit', '2');
    expect(first.versions).toEqual(['1', '2']);
    const second = await versionsOf('--oldest-first', '--page-token', first.nextPageToken);
    expect(second).toEqual({ versions: ['2'], nextPageToken: '' }); // the refused sale met version 2
    expect(await versionsOf('--all')).toEqual({ versions: ['2', '2', '1'], nextPageToken: '' });
    const otherOrder = await onhand(...inStore, '--page-token', first.nextPageToken);
    expect([otherOrder.code, JSON.parse(otherOrder.out).error.reason]).toEqual([2, 'PAGE_TOKEN_INVALID']);
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

describe('health', () => {
  test('is good where reads and writes are served', async () => {
    const { code, out } = await onhand('health');
    expect([code, rowsOf(out).map((row) => row.slice(0, 2))]).toEqual([
      0,
      ['Service', 'Writes', 'Reads', 'Strong reads'].map((check) => [check, 'SERVING']),
    ]);
    expect(out).toContain(`Answers at ${service.grpcAddress}.`);
    expect(out).toContain('Read from the primary, at most');
  });

  test('tells what is not served, and exits with 3', async () => {
    const nowhere = 'postgresql://postgres@127.0.0.1:1/nowhere';
    const alone = await startService({ databaseUrl: nowhere, replicaUrls: [database.replicaUrl] });
    try {
      const { code, out } = await runCliProcess(alone.grpcAddress, ['health', '--json']);
      expect([code, JSON.parse(out)]).toMatchObject([
        3,
        {
          server: alone.grpcAddress,
          serving: false,
          checks: [
            { check: 'Service', status: 'SERVING' },
            { check: 'Writes', status: 'NOT_SERVING' },
            {
              check: 'Reads',
              status: 'SERVING',
              detail: expect.stringContaining('may be older than 5 seconds'),
            },
            { check: 'Strong reads', status: 'DATABASE_UNAVAILABLE' },
          ],
        },
      ]);
    } finally {
      await alone.stop();
    }
    const gone = await runCliProcess(alone.grpcAddress, ['health']);
    expect([gone.code, gone.err]).toEqual([3, expect.stringContaining('The service cannot be reached')]);
  });
});

test('a reader of its output that has seen enough ends it without an error, as head does', async () => {
  const { child, ended } = startCliProcess(service.grpcAddress, ['completion', 'bash']);
  child.stdout?.destroy();
  expect(await ended).toMatchObject({ code: 0, err: '' });
});
