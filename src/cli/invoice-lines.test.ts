import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { InvoiceParser, readInvoiceLines } from './invoice-lines.js';
import { UsageError } from './usage-error.js';

const HEADER = 'invoice_no,stock_code,quantity,unit_price,country';

const parse = (...lines: string[]) => {
  const parser = new InvoiceParser();
  parser.push(lines.join('\n'));
  return parser.finish('lines.csv');
};

describe('the text of an invoice file', () => {
  test('gives a line for each row, numbered as an editor does', () => {
    expect(parse(HEADER, '536365,85123A,6,2.55,United Kingdom', '', 'C1,D,-1,27.50,EIRE', '')).toEqual([
      {
        line: 2,
        invoice: '536365',
        product: '85123A',
        quantity: 6,
        unitPrice: '2.55',
        store: 'United Kingdom',
      },
      { line: 4, invoice: 'C1', product: 'D', quantity: -1, unitPrice: '27.50', store: 'EIRE' },
    ]);
  });

  test('may come in any pieces', () => {
    const text = `${HEADER}\n1,a,5,1.0,Île\n2,b,-3,1.0,EIRE\n`;
    const whole = parse(text);
    const parser = new InvoiceParser();
    for (const letter of text) parser.push(letter);
    expect(parser.finish('lines.csv')).toEqual(whole);
    expect(whole).toHaveLength(2);
  });

  test('may have a byte order mark and Windows line ends', () => {
    expect(parse(`\uFEFF${HEADER}\r`, '1,a,5,1.0,EIRE\r')).toMatchObject([{ store: 'EIRE', quantity: 5 }]);
  });

  test('keeps ids as they stand, and takes quoted fields apart', () => {
    const [line] = parse(HEADER, '1," a ""b"", c",5,1.0,Channel Islands');
    expect(line).toMatchObject({ product: ' a "b", c', store: 'Channel Islands' });
  });

  test.each([
    ['1,a,0,1.0,EIRE', 'line 2: quantity must be a whole number from 1 to 10000, or'],
    ['1,a,10001,1.0,EIRE', 'not "10001"'],
    ['1,a,-10001,1.0,EIRE', 'not "-10001"'],
    ['1,a,1.5,1.0,EIRE', 'not "1.5"'],
    ['1,a,,1.0,EIRE', 'not ""'],
    ['1,,5,1.0,EIRE', 'line 2: stock_code is empty'],
    ['1,a,5,1.0,', 'line 2: country is empty'],
    ['1,a,5,1.0', 'line 2: 5 fields are needed, not 4'],
    ['1,a,5,1.0,EIRE,x', 'line 2: 5 fields are needed, not 6'],
    ['1,a"b,5,1.0,EIRE', 'line 2: a quotation mark stands in the wrong place'],
  ])('with the row %s is refused', (row, message) => {
    expect(() => parse(HEADER, row)).toThrow(UsageError);
    expect(() => parse(HEADER, row)).toThrow(message);
  });

  test('names the first five bad rows and counts the others', () => {
    const rows = Array.from({ length: 8 }, () => '1,a,0,1.0,EIRE');
    expect(() => parse(HEADER, ...rows)).toThrow(/line 6: [^\n]+\n {2}and 3 more$/);
  });

  test.each([
    [[], 'it is empty'],
    [[HEADER], 'there is no line after the header'],
    [['a,b,c', '1,a,5,1.0,EIRE'], `line 1: the header must be ${HEADER}, not "a,b,c"`],
  ])('of %j is refused', (lines, message) => {
    expect(() => parse(...lines)).toThrow(
      `lines.csv cannot be replayed, and nothing was sent:\n  ${message}`,
    );
  });
});

describe('an invoice file', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'onhand-invoices-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is read plain or gzipped', async () => {
    const text = `${HEADER}\n1,a,5,1.0,EIRE\n`;
    writeFileSync(join(folder, 'plain.csv'), text);
    writeFileSync(join(folder, 'small.csv.gz'), gzipSync(text));
    const plain = await readInvoiceLines(join(folder, 'plain.csv'));
    expect(plain).toHaveLength(1);
    expect(await readInvoiceLines(join(folder, 'small.csv.gz'))).toEqual(plain);
  });

  test('that is missing, cut off or not gzip is named with the cause', async () => {
    writeFileSync(join(folder, 'cut.gz'), gzipSync(HEADER.repeat(100)).subarray(0, 40));
    writeFileSync(join(folder, 'text.gz'), HEADER);
    await expect(readInvoiceLines(join(folder, 'none.csv'))).rejects.toThrow(
      /none.csv cannot be read: ENOENT/,
    );
    await expect(readInvoiceLines(join(folder, 'cut.gz'))).rejects.toThrow(
      /cut.gz cannot be read: unexpected/,
    );
    await expect(readInvoiceLines(join(folder, 'text.gz'))).rejects.toThrow(
      /text.gz cannot be read: incorrect/,
    );
  });
});
