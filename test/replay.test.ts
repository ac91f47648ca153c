import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { poll } from '../src/dev/poll.js';
import { withConnection } from '../src/dev/postgres-session.js';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { projectRoot } from '../src/project-root.js';
import { type CliRun, runCliProcess } from './cli-process.js';
import { type ServiceProcess, startService } from './service-process.js';

const FILE = 'data/online-retail-lines.csv.gz';
const START_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 600_000;

/** What lines must come to, worked out one after the other with none of the tool's or the service's code. */
interface Model {
  readonly lines: number;
  readonly salesAccepted: number;
  readonly salesRefused: number;
  readonly returns: number;
  /** Units on hand and number of successful changes, by store and product. */
  readonly stocks: ReadonlyMap<string, { readonly net: number; readonly version: number }>;
}

function model(rows: readonly string[]): Model {
  const stocks = new Map<string, { net: number; version: number }>();
  const counts = { salesAccepted: 0, salesRefused: 0, returns: 0 };
  for (const row of rows) {
    const [, product, quantity, , country] = row.split(',');
    const key = `${country}\t${product}`;
    const units = Number(quantity);
    const stock = stocks.get(key) ?? { net: 1_000, version: 1 };
    stocks.set(key, stock);
    if (units > stock.net) {
      counts.salesRefused++;
      continue;
    }
    stock.net -= units;
    stock.version++;
    if (units < 0) counts.returns++;
    else counts.salesAccepted++;
  }
  return { lines: rows.length, ...counts, stocks };
}

const figuresOf = ({ lines, salesAccepted, salesRefused, returns, stocks }: Model) => ({
  lines,
  stocks: stocks.size,
  salesAccepted,
  salesRefused,
  returns,
  commands: lines + stocks.size,
});

const [header = '', ...rows] = gunzipSync(readFileSync(join(projectRoot(), FILE)))
  .toString('utf8')
  .trimEnd()
  .split('\n');

let database: TestDatabase;
let service: ServiceProcess;

const startAnew = async () => {
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
};

const stop = async () => {
  await service?.stop();
  await database?.drop();
};

const query = async <Row>(statement: string): Promise<Row[]> =>
  (await withConnection(database.url, (client) => client.query(statement))).rows as Row[];

interface StockTotals {
  readonly key: string;
  readonly net: number;
  readonly version: number;
  readonly deltas: number;
  readonly successes: number;
}

/** Each stock beside what its events come to. */
const STOCK_TOTALS = `
  SELECT store_id || E'\\t' || product_id AS key, s.net, s.version::integer AS version,
         e.deltas::integer AS deltas, e.successes::integer AS successes
  FROM stock s
  FULL JOIN (
    SELECT store_id, product_id, sum(applied_delta) AS deltas,
           count(*) FILTER (WHERE status = 'SUCCESS') AS successes
    FROM event_log GROUP BY store_id, product_id
  ) e USING (store_id, product_id)`;

const expectStocksAsIn = async ({ stocks }: Model) => {
  const totals = await query<StockTotals>(STOCK_TOTALS);
  expect(totals).toHaveLength(stocks.size);
  const wrong = totals.filter(({ key, net, version, deltas, successes }) => {
    const wanted = stocks.get(key);
    return net !== wanted?.net || version !== wanted.version || deltas !== net || successes !== version;
  });
  expect(wrong).toEqual([]);
};

const EVENT_COUNTS = `
  SELECT type, status, metadata->>'kind' AS kind, count(*)::integer AS events
  FROM event_log GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`;

/** In the order of the database's types: SALE before RESTOCK, SUCCESS before FAILED. */
const eventCountsOf = ({ salesAccepted, salesRefused, returns, stocks }: Model) => [
  { type: 'SALE', status: 'SUCCESS', kind: 'sale', events: salesAccepted },
  { type: 'SALE', status: 'FAILED', kind: 'sale', events: salesRefused },
  { type: 'RESTOCK', status: 'SUCCESS', kind: 'opening', events: stocks.size },
  { type: 'RESTOCK', status: 'SUCCESS', kind: 'return', events: returns },
];

const lastEvent = async () => (await query<{ seq: string }>('SELECT max(seq) AS seq FROM event_log'))[0]?.seq;

describe('50,062 invoice lines of a real shop', () => {
  const expected = model(rows);
  let lastEventOfFirst: string | undefined;

  beforeAll(startAnew, START_TIMEOUT_MS);
  afterAll(stop);

  test('come to the figures that are told, by a model without our code', () => {
    expect(figuresOf(expected)).toEqual({
      lines: 50_062,
      stocks: 4_957,
      salesAccepted: 47_495,
      salesRefused: 1_559,
      returns: 1_008,
      commands: 55_019,
    });
  });

  test(
    'are replayed to those figures',
    async () => {
      const { code, out, err } = await runCliProcess(service.grpcAddress, ['replay', FILE, '--json']);
      expect({ code, err }).toMatchObject({ code: 0 });
      const result = JSON.parse(out);
      expect(result).toMatchObject({ file: 'online-retail-lines.csv.gz', ...figuresOf(expected) });
      // Only what was asked again, because its answer took too long, had been done before.
      expect(result.replayed).toBeLessThanOrEqual(result.retries);
      expect(err).toContain('Replaying: 100 % (55,019 of 55,019)');
      lastEventOfFirst = await lastEvent();
    },
    RUN_TIMEOUT_MS,
  );

  test('leave every stock, and the sum of its events, where the model has it', async () => {
    await expectStocksAsIn(expected);
  });

  test('are in the event log, each once, by type and outcome', async () => {
    expect(await query(EVENT_COUNTS)).toEqual(eventCountsOf(expected));
  });

  test(
    'change nothing when they are sent again: all are replayed, refusals too',
    async () => {
      const { code, out, err } = await runCliProcess(service.grpcAddress, ['replay', FILE]);
      expect({ code, err }).toMatchObject({ code: 0 });
      const cells = Array.from(out.matchAll(/^│ +(.+?) +│ +([\d,]+) │$/gm), ([, name, value]) => [
        name,
        value,
      ]);
      expect(Object.fromEntries(cells)).toMatchObject({
        'Invoice lines': '50,062',
        'Stocks, each opened with 1,000': '4,957',
        'Sales accepted': '47,495',
        'Sales refused: not enough on hand': '1,559',
        Returns: '1,008',
        'Commands answered': '55,019',
        'of them replayed: done before': '55,019',
      });
      expect(await lastEvent()).toBe(lastEventOfFirst);
    },
    RUN_TIMEOUT_MS,
  );
});

describe('a replay whose service is killed on the way', () => {
  const part = rows.slice(0, 8_000);
  const expected = model(part);
  let folder: string;

  beforeAll(startAnew, START_TIMEOUT_MS);
  afterAll(async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    'goes on when the service is back, and each line still counts once',
    async () => {
      folder = mkdtempSync(join(tmpdir(), 'onhand-replay-'));
      const file = join(folder, 'part.csv');
      writeFileSync(file, [header, ...part, ''].join('\n'));
      const run = runCliProcess(service.grpcAddress, ['replay', file, '--json']);
      expect(await eventsReach(1_000)).toBe(true);
      await service.kill9();
      const port = service.grpcAddress.split(':')[1] ?? '';
      service = await startService({ databaseUrl: database.url, environment: { ONHAND_GRPC_PORT: port } });
      const { code, out, err }: CliRun = await run;
      expect({ code, err }).toMatchObject({ code: 0 });
      const result = JSON.parse(out);
      expect(result).toMatchObject(figuresOf(expected));
      expect(result.retries).toBeGreaterThan(0);
      await expectStocksAsIn(expected);
      expect(await query(EVENT_COUNTS)).toEqual(eventCountsOf(expected).filter(({ events }) => events > 0));
    },
    RUN_TIMEOUT_MS,
  );
});

/** @returns undefined if there are not so many within a minute */
function eventsReach(wanted: number): Promise<true | undefined> {
  return poll(async () => {
    const [{ events } = { events: 0 }] = await query<{ events: number }>(
      'SELECT count(*)::integer AS events FROM event_log',
    );
    return events >= wanted ? true : undefined;
  }, 60_000);
}
