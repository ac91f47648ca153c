import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatOperations, readOperationsFile } from './operations-file.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-operations-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (content: string | Buffer, { store = '', name = 'file' } = {}) => {
  writeFileSync(join(folder, name), content);
  return readOperationsFile(join(folder, name), store);
};
const problemOf = async (content: string, store?: string): Promise<string> => {
  const error = await read(content, { store: store ?? '' }).catch((reason: Error) => reason);
  return (error as Error).message;
};

const ID = '0190163d-8694-739b-aea5-966c26f8ad91';
const plain = { eventId: undefined, occurredTime: '', reason: '', metadata: {} };

describe('a file of operations', () => {
  test('in CSV has its columns in any order, quotation marks, and a store of its own or the given one', async () => {
    const lines = [
      '\uFEFFquantity,product_id,type,store_id,metadata.till,event_id',
      `5,"a ""b"", c",restock,S,4,${ID.toUpperCase()}`,
      '',
      '-3,p,OPERATION_TYPE_COUNT,,,',
    ];
    const { format, operations } = await read(lines.join('\r\n'), { store: 'T' });
    expect(format).toBe('csv');
    expect(operations).toEqual([
      {
        ...{ ...plain, place: 'line 2', storeId: 'S', productId: 'a "b", c', type: 'RESTOCK', quantity: 5 },
        ...{ eventId: ID, metadata: { till: '4' } },
      },
      { ...plain, place: 'line 4', storeId: 'T', productId: 'p', type: 'COUNT', quantity: -3 },
    ]);
  });

  test('in JSON is a list, or the operations of one store', async () => {
    const operation = { productId: 'p', type: 'WASTE', quantity: 1, reason: 'broken', metadata: { a: 'b' } };
    const expected = { ...plain, ...operation, place: 'operation 1', storeId: 'S' };
    const list = await read(JSON.stringify([{ store_id: 'S', ...operation }]));
    expect(list).toEqual({ format: 'json', operations: [expected] });
    const document = { storeId: 'S', operations: [operation, { ...operation, storeId: 'T', quantity: '2' }] };
    const { operations } = await read(` \n${JSON.stringify(document)}`);
    expect(operations).toEqual([expected, { ...expected, place: 'operation 2', storeId: 'T', quantity: 2 }]);
  });

  test('may be gzipped', async () => {
    const { operations } = await read(gzipSync('product_id,type,quantity\np,SALE,1'), {
      store: 'S',
      name: 'x.csv.gz',
    });
    expect(operations).toHaveLength(1);
  });

  test.each([
    ['', 'line 1: the header must be some of store_id, product_id'],
    ['product_id,type,quantity', 'there is no operation in it'],
    ['product_id,kind\np,SALE', 'line 1: the header must be some of'],
    ['product_id,metadata\np,x', 'line 1: the header must be some of'],
    ['store_id,type,quantity\nS,SALE,1', 'line 1: the header must be some of'],
    ['product_id,type,quantity\np,SALE', 'line 2: 3 fields are needed, not 2: "p,SALE"'],
    ['product_id,type,quantity\np,"SALE,1', 'line 2: a quotation mark stands in the wrong place'],
    ['product_id,type,quantity\np,SALE,1', 'line 2: store_id is missing; give it there or with --store'],
    ['store_id,product_id,type,quantity\nS,,SALE,1', 'line 2: product_id is missing'],
    [
      'store_id,product_id,type,quantity\nS,p,GIFT,1',
      'line 2: type must be SALE, RESTOCK, RETURN, COUNT or WASTE, not "GIFT"',
    ],
    ['store_id,product_id,type,quantity\nS,p,SALE,', 'line 2: quantity is missing'],
    ['store_id,product_id,type,quantity\nS,p,SALE,1.5', 'line 2: quantity must be a whole number, not "1.5"'],
    [
      'store_id,product_id,type,quantity\nS,p,SALE,2147483648',
      'line 2: quantity must be a whole number, not "2147483648"',
    ],
    ['store_id,product_id,type,quantity,event_id\nS,p,SALE,1,x', 'line 2: event_id must be a UUID, not "x"'],
    [
      'store_id,product_id,type,quantity,occurred_time\nS,p,SALE,1,now',
      'line 2: occurred_time must be a time',
    ],
    ['[', 'it is not JSON: '],
    ['{}', 'the document must be a list of operations, or an object with "storeId" and "operations"'],
    ['[7]', 'operation 1: it must be an object, not "7"'],
    [
      '[{"storeId":"S","productId":"p","type":"SALE","delta":-1}]',
      'operation 1: unknown field "delta"; known are storeId',
    ],
    ['[{"storeId":"S","productId":7}]', 'operation 1: product_id must be a text, not "7"'],
    [
      '[{"storeId":"S","productId":"p","type":"SALE","quantity":1,"metadata":{"a":1}}]',
      'operation 1: metadata must be an object of texts',
    ],
    ['{"mode":"ATOMIC","operations":[]}', 'the document: unknown field "mode"; known are storeId'],
  ])('%j cannot be applied', async (content, problem) => {
    expect(await problemOf(content)).toContain(`cannot be applied, and nothing was sent:\n  ${problem}`);
  });

  test('with many problems names the first five; one that is not there is said to be so', async () => {
    const message = await problemOf(`product_id,type,quantity\n${'p,SALE,x\n'.repeat(7)}`, 'S');
    expect(message.match(/quantity must be/g)).toHaveLength(5);
    expect(message).toContain('and 2 more');
    await expect(readOperationsFile(join(folder, 'none'), '')).rejects.toThrow('none cannot be read: ENOENT');
  });

  test('of what was refused can be read again', async () => {
    const columns = 'store_id,product_id,type,quantity,reason,metadata.a,metadata.b';
    const { operations } = await read(`${columns}\nS,"p ""1""",SALE,1,"x, y",1,\nS,q,RETURN,2,,,2\n`);
    for (const format of ['csv', 'json'] as const) {
      const again = await read(formatOperations(operations, format));
      expect(again.format).toBe(format);
      expect(again.operations.map(({ place, ...rest }) => rest)).toEqual(
        operations.map(({ place, ...rest }) => rest),
      );
    }
  });
});
