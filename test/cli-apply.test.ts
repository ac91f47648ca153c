import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { type CliRun, runCliProcess, startCliProcess } from './cli-process.js';
import { type ServiceProcess, startService } from './service-process.js';

let database: TestDatabase;
let service: ServiceProcess;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-apply-'));
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
}, 60_000);

afterAll(async () => {
  await service?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Patient, since the machine may have much to do. */
const PATIENTLY = ['--deadline-ms', '30000'];
const apply = (...words: string[]) => runCliProcess(service.grpcAddress, ['apply', ...words, ...PATIENTLY]);
const applied = (run: CliRun) => JSON.parse(run.out) as Record<string, unknown>;

const inFolder = (name: string) => join(folder, name);
const write = (name: string, ...lines: string[]): string => {
  writeFileSync(inFolder(name), `${lines.join('\n')}\n`);
  return inFolder(name);
};

/** What a store has, by product. */
const stocksOf = async (storeId: string): Promise<Record<string, number>> => {
  const statement =
    'SELECT product_id, net FROM stock WHERE store_id = $1 AND version > 0 ORDER BY product_id';
  const { rows } = await withConnection(database.url, (client) => client.query(statement, [storeId]));
  return Object.fromEntries(rows.map(({ product_id, net }) => [product_id, net]));
};

const HEADER = 'store_id,product_id,type,quantity';

describe('apply', () => {
  test('does what a CSV file says, store by store, and shows it', async () => {
    const file = write(
      'delivery.csv',
      'store_id,product_id,type,quantity,reason,occurred_time,metadata.till',
      'A,p1,RESTOCK,10,,,',
      'A,p1,sale,4,"gift, wrapped",2026-01-31T10:30:00Z,7',
      'B,p1,RESTOCK,5,,,',
    );
    const { code, out, err } = await apply(file, '--concurrency', '2');
    expect([code, err]).toEqual([0, expect.stringMatching(/Applying: 100 % \(3 of 3\)\n$/)]);
    expect(out).toMatch(/delivery\.csv[\s\S]*Applied +│ +3 │[\s\S]*Refused +│ +0 │/);
    expect([await stocksOf('A'), await stocksOf('B')]).toEqual([{ p1: 6 }, { p1: 5 }]);
    const { rows } = await withConnection(database.url, (client) =>
      client.query(`SELECT operation_reason, metadata, occurred_time FROM event_log WHERE type = 'SALE'`),
    );
    expect(rows).toEqual([
      {
        operation_reason: 'gift, wrapped',
        metadata: { till: '7' },
        occurred_time: new Date('2026-01-31T10:30:00Z'),
      },
    ]);
  });

  test('takes JSON, from standard input too, with event ids of its own', async () => {
    const id = '0190163D-8694-739B-AEA5-966C26F8AD91';
    const document = {
      storeId: 'J',
      operations: [
        { productId: 'p', type: 'OPERATION_TYPE_COUNT', quantity: 7, eventId: id, metadata: { by: 'me' } },
      ],
    };
    const input = JSON.stringify(document);
    const first = await runCliProcess(service.grpcAddress, ['apply', '-', '--json'], { input });
    expect([first.code, applied(first)]).toMatchObject([
      0,
      { operations: 1, applied: 1, replayed: 0, refusals: [] },
    ]);
    const again = await runCliProcess(service.grpcAddress, ['apply', '-', '--json'], { input });
    expect([again.code, applied(again)]).toMatchObject([0, { applied: 1, replayed: 1 }]);
    expect(await stocksOf('J')).toEqual({ p: 7 });
    expect(existsSync('-.ids')).toBe(false);

    const list = '[{"product_id": "q", "type": "RESTOCK", "quantity": "2"}]';
    const without = await runCliProcess(service.grpcAddress, ['apply', '-', '--store', 'J'], { input: list });
    expect([without.code, without.err]).toEqual([
      2,
      expect.stringContaining('or --ids FILE to keep them in'),
    ]);
    const words = ['apply', '-', '--store', 'J', '--ids', inFolder('stdin.ids'), '--json'];
    for (const replayed of [0, 1]) {
      const run = await runCliProcess(service.grpcAddress, words, { input: list });
      expect(applied(run)).toMatchObject({ applied: 1, replayed });
    }
    expect(await stocksOf('J')).toEqual({ p: 7, q: 2 });
  });

  test('one refusal: atomic takes nothing, independent the others; exit code 1, and a file of what was refused', async () => {
    const nowhere = await apply(
      write('atomic.csv', HEADER, 'R,p,RESTOCK,3'),
      '--refused',
      inFolder('none/left.csv'),
    );
    expect([nowhere.code, nowhere.err]).toEqual([
      2,
      expect.stringContaining('What is refused cannot be written'),
    ]);
    const lines = ['R,p,RESTOCK,3', 'R,p,SALE,5', 'R,none,SALE,1', 'R,q,RESTOCK,1'];
    const atomic = await apply(write('atomic.csv', HEADER, ...lines), '--refused', inFolder('left.csv'));
    expect(atomic.code).toBe(1);
    expect(atomic.out).toContain('INSUFFICIENT_STOCK');
    expect(atomic.out).toMatch(/line 3 .*Insufficient stock\. Available: 3, Requested: 5/);
    expect(atomic.out).toContain('2 were refused with their batch (BATCH_REFUSED)');
    expect(await stocksOf('R')).toEqual({});
    expect(readFileSync(inFolder('left.csv'), 'utf8').split('\n')).toEqual([
      'store_id,product_id,type,quantity,occurred_time,reason',
      ...lines.map((line) => `${line},,`),
      '',
    ]);

    const words = ['--mode', 'independent', '--refused', inFolder('left again.csv'), '--json'];
    const independent = await apply(inFolder('left.csv'), ...words);
    expect([independent.code, applied(independent)]).toMatchObject([
      1,
      {
        ...{ operations: 4, applied: 2, refused: 2 },
        refusals: [
          { place: 'line 3', reason: 'INSUFFICIENT_STOCK', type: 'SALE', quantity: 5 },
          { place: 'line 4', reason: 'STOCK_NOT_FOUND', productId: 'none' },
        ],
      },
    ]);
    expect(await stocksOf('R')).toEqual({ p: 3, q: 1 });
  });

  test('a second run of a file changes nothing, and --again does it once more', async () => {
    const file = write('twice.csv', HEADER, 'T,p,RESTOCK,3', 'T,p,RESTOCK,3');
    expect(applied(await apply(file, '--json'))).toMatchObject({ applied: 2, replayed: 0 });
    const second = await apply(file);
    expect([second.code, second.err]).toEqual([
      0,
      expect.stringContaining('2 operations keep the event ids'),
    ]);
    expect(second.out).toContain('All of it was decided before. To do it once more, add --again.');
    expect(await stocksOf('T')).toEqual({ p: 6 });
    expect(applied(await apply(file, '--again', '--json'))).toMatchObject({ applied: 2, replayed: 0 });
    expect(await stocksOf('T')).toEqual({ p: 12 });
  });

  test('of many refusals the first are shown, and how many more there are', async () => {
    const lines = Array.from({ length: 23 }, (_, n) => `STORE_M,PROD_${n},SALE,1`);
    const run = await apply(write('many.csv', HEADER, ...lines), '--mode', 'independent');
    expect(run.code).toBe(1);
    expect(run.out.match(/STOCK_NOT_FOUND/g)).toHaveLength(20);
    expect(run.out).toContain('3 more were refused; --refused FILE and --json have all.');
  });

  test('a file that was applied and then changed is refused until it is told what is meant', async () => {
    const file = write('changed.csv', HEADER, 'C,p,RESTOCK,3', 'C,p,RESTOCK,4');
    await apply(file);
    write('changed.csv', HEADER, 'C,p,RESTOCK,4', 'C,p,RESTOCK,5');
    const unclear = await apply(file);
    expect([unclear.code, unclear.out]).toEqual([2, '']);
    expect(unclear.err).toContain('1 operations are the same, 1 are not. Add --resume if it was corrected');
    expect(applied(await apply(file, '--resume', '--json'))).toMatchObject({ applied: 2, replayed: 1 });
    expect(await stocksOf('C')).toEqual({ p: 12 });
  });

  test('a field that the service refuses is named by its line; corrected, the file goes on', async () => {
    const lines = Array.from({ length: 1_500 }, (_, index) => `I,p${index % 7},RESTOCK,1`);
    const file = write('invalid.csv', HEADER, ...lines.with(1_200, 'I,p,RESTOCK,10001'));
    const { code, err } = await apply(file);
    expect(code).toBe(2);
    expect(err).toContain('Broke off: 1,000 of 1,500 operations were answered. Run it again');
    expect(err).toContain('Store I, line 1002 to line 1501: Quantity must not exceed 10,000');
    expect(err).toContain('line 1202, quantity  Quantity must not exceed 10,000');
    write('invalid.csv', HEADER, ...lines);
    expect(applied(await apply(file, '--json'))).toMatchObject({
      batches: 2,
      applied: 1_500,
      replayed: 1_000,
    });
    const stocks = Object.values(await stocksOf('I'));
    expect(stocks.reduce((sum, net) => sum + net, 0)).toBe(1_500);
  });

  test('a run that was killed is run again, and every operation counts once', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `K${index % 2},p${index % 11},RESTOCK,1`);
    const file = write('killed.csv', HEADER, ...lines);
    const { child, ended } = startCliProcess(service.grpcAddress, [
      'apply',
      file,
      '--concurrency',
      '1',
      ...PATIENTLY,
    ]);
    child.stderr?.once('data', () => child.kill('SIGKILL'));
    expect(await ended).toMatchObject({ code: null, err: expect.stringMatching(/^Applying: 10 %/) });
    const done = Object.values(await stocksOf('K0')).reduce((sum, net) => sum + net, 0);
    expect(done).toBeGreaterThanOrEqual(1_000);
    const run = await apply(file, '--json');
    expect([run.code, applied(run)]).toMatchObject([0, { applied: 20_000, refused: 0 }]);
    expect(applied(run).replayed).toBeGreaterThanOrEqual(1_000);
    for (const store of ['K0', 'K1']) {
      const stocks = Object.values(await stocksOf(store));
      expect(stocks.reduce((sum, net) => sum + net, 0)).toBe(10_000);
    }
  });

  test('large operations are sent in as many batches as 256 KB ask for', async () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 16 }, (_, index) => [`k${index}`, 'x'.repeat(120)]),
    );
    const operations = Array.from({ length: 300 }, () => ({
      productId: 'p',
      type: 'RESTOCK',
      quantity: 1,
      metadata,
    }));
    writeFileSync(inFolder('large.json'), JSON.stringify({ storeId: 'L', operations }));
    expect(applied(await apply(inFolder('large.json'), '--json'))).toMatchObject({
      batches: 3,
      applied: 300,
    });
    expect(await stocksOf('L')).toEqual({ p: 300 });
  });
});
