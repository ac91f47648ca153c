import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { PostgresServer } from '../src/dev/postmaster.js';
import { NAIVE_DATABASE } from './databases.js';
import type { Spread } from './load-plan.js';
import { bestLevel, quantile } from './statistics.js';
import { PRODUCTS, STORES } from './stocks.js';

/** What a handler without group commit runs for each sale: lock, read, decide, write, commit. */
function naiveTransaction(spread: Spread): string {
  const number = (name: string, { first, last }: { first: number; last: number }) =>
    `\\set ${name} random(${first}, ${spread === 'one product' ? first : last})`;
  const store = `'${STORES.prefix}' || :store::text`;
  const product = `'${PRODUCTS.prefix}' || :product::text`;
  return `${number('store', STORES)}
${number('product', PRODUCTS)}
BEGIN;
SELECT net, version FROM stock WHERE store_id = ${store} AND product_id = ${product} FOR UPDATE \\gset
UPDATE stock SET net = :net - 1, version = :version + 1, update_time = clock_timestamp() WHERE store_id = ${store} AND product_id = ${product};
INSERT INTO event_log (store_id, product_id, event_id, type, status, effect, requested_delta, applied_delta, net_before, net_after, version, occurred_time, effective_time, recorded_time, actor, origin, fingerprint) VALUES (${store}, ${product}, gen_random_uuid(), 'SALE', 'SUCCESS', 'APPLIED', -1, -1, :net, :net - 1, :version + 1, clock_timestamp(), clock_timestamp(), clock_timestamp(), 'anonymous', 'GRPC', 'SALE:1:' || ${product});
COMMIT;
`;
}

/** Long enough to tell which of several levels is the best one. */
export const CALIBRATION_SECONDS = 1.5;
const CLIENTS = [16, 32, 64];

export interface PgbenchResult {
  readonly transactions: number;
  readonly perSecond: number;
  /** Only where the run kept a log of every transaction. */
  readonly p50Ms: number | undefined;
}

/** pgbench on PATH, against the database of the naive side. */
export class Pgbench {
  readonly #children = new Set<ChildProcess>();
  #transactions = 0;

  /** The version that is installed, or undefined. */
  static installed(): string | undefined {
    const { status, stdout } = spawnSync('pgbench', ['--version'], { encoding: 'utf8' });
    return status === 0 ? stdout.trim() : undefined;
  }

  constructor(
    private readonly server: PostgresServer,
    /** Scripts and logs are written below it. */
    private readonly folder: string,
  ) {}

  /** Transactions of all runs so far. */
  get transactions(): number {
    return this.#transactions;
  }

  /** How many clients get the most done. */
  bestClients(spread: Spread, progress: (line: string) => void): Promise<number> {
    return bestLevel(CLIENTS, async (clients) => {
      const { perSecond } = await this.run(spread, clients, CALIBRATION_SECONDS);
      const rate = Math.round(perSecond).toLocaleString('en-US');
      progress(`${spread}, pgbench with ${clients} clients: ${rate} /s`);
      return perSecond;
    });
  }

  /**
   * Runs the naive transaction with so many clients.
   *
   * @param seconds rounded up, since pgbench knows whole ones only
   * @param latencies keeps a log of every transaction, for one client or few
   * @throws Error where a transaction failed.
   */
  async run(spread: Spread, clients: number, seconds: number, latencies = false): Promise<PgbenchResult> {
    const folder = mkdtempSync(join(this.folder, 'pgbench-'));
    try {
      writeFileSync(join(folder, 'naive.sql'), naiveTransaction(spread));
      const threads = Math.min(clients, availableParallelism());
      const load = ['-M', 'prepared', '-n', '-c', clients, '-j', threads, '-T', Math.ceil(seconds)];
      const log = latencies ? ['-l', '--log-prefix', join(folder, 'log')] : [];
      const output = await this.#spawn([...load, ...log, '-f', join(folder, 'naive.sql')].map(String));
      const { transactions, perSecond } = parseOutput(output);
      this.#transactions += transactions;
      return { transactions, perSecond, p50Ms: latencies ? medianOfLogs(folder) : undefined };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  stop(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  async #spawn(args: readonly string[]): Promise<string> {
    const { host, port, password } = this.server;
    const target = [
      '-h',
      host,
      '-p',
      String(port),
      '-U',
      new URL(this.server.url()).username,
      NAIVE_DATABASE,
    ];
    const child = spawn('pgbench', [...args, ...target], {
      env: { ...process.env, PGPASSWORD: password },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
    }
    const [code] = await once(child, 'close');
    this.#children.delete(child);
    if (code !== 0) throw new Error(`pgbench ended with code ${code}:\n${output.join('')}`);
    return output.join('');
  }
}

/**
 * Reads pgbench's summary.
 *
 * @throws Error where it is none, or tells of failed transactions.
 */
export function parseOutput(output: string): { transactions: number; perSecond: number } {
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? Number.NaN);
  const transactions = number(/^number of transactions actually processed: (\d+)/m);
  const perSecond = number(/^tps = ([\d.]+)/m);
  const failed = number(/^number of failed transactions: (\d+)/m);
  if (!(transactions > 0) || !(perSecond > 0) || failed > 0) {
    throw new Error(`pgbench did not run as it should:\n${output}`);
  }
  return { transactions, perSecond };
}

/** The third field of a line is what its transaction took, in microseconds. */
function medianOfLogs(folder: string): number {
  const files = readdirSync(folder).filter((name) => name.startsWith('log'));
  const lines = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'));
  const latencies = Float64Array.from(lines, (line) => Number(line.split(' ')[2])).sort();
  return quantile(latencies, 0.5) / 1000;
}
