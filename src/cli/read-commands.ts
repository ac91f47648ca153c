import type { Command } from 'commander';
import { version, wholeNumber } from './arguments.js';
import { type CommandLine, PRODUCT, STORE } from './command-line.js';
import type { Consistency, Freshness, GetRequest, ListRequest, ListResponse, Stock } from './messages.js';
import { printJson, type Session } from './session.js';
import { count, drawTable, freshnessText, STOCK_COLUMNS, stockRow } from './tables.js';
import { UsageError } from './usage-error.js';

const DEFAULT_PAGE_SIZE = 50;
export const STRONG_HELP = 'read from the primary: nothing acknowledged before is missing';

export function addGet(line: CommandLine): void {
  line
    .add({
      name: 'get',
      does: 'Shows one stock, where it was read and how old the answer can be.',
      examples: ['get STORE_001 PROD_0001', 'get STORE_001 PROD_0001 --strong --json'],
    })
    .argument(...STORE)
    .argument(...PRODUCT)
    .option('--strong', STRONG_HELP)
    .option('--min-version <n>', 'ask for this version (as a write returned it) or a later one', version)
    .action((storeId: string, productId: string, given: GetOptions, command: Command) => {
      const { strong = false, minVersion = '0' } = given;
      return line.run(command, (session) => get(session, { storeId, productId, strong, minVersion }));
    });
}

export function addList(line: CommandLine): void {
  line
    .add({
      name: 'list',
      does: 'Lists the stocks of a store, or of a product in all stores.',
      examples: ['list --store STORE_001', 'list --product PROD_0001 --all'],
    })
    .option('--store <id>', 'only this store; it or --product is needed')
    .option('--product <id>', 'only this product; it or --store is needed')
    .option('--page-size <n>', 'stocks a page, 1 to 500', wholeNumber(1, 500), DEFAULT_PAGE_SIZE)
    .option('--page-token <token>', 'go on where an earlier page ended')
    .option('--all', 'show every page')
    .option('--strong', STRONG_HELP)
    .action((given: ListOptions, command: Command) => {
      const { store = '', product = '', pageToken = '', all = false, strong = false, pageSize } = given;
      if (store === '' && product === '')
        throw new UsageError('Say what to list: --store ID, --product ID, or both.');
      const wanted = { storeId: store, productId: product, pageSize, pageToken, all, strong };
      return line.run(command, (session) => list(session, wanted));
    });
}

interface GetOptions {
  readonly strong?: boolean;
  readonly minVersion?: string;
}

interface ListOptions {
  readonly store?: string;
  readonly product?: string;
  readonly pageSize: number;
  readonly pageToken?: string;
  readonly all?: boolean;
  readonly strong?: boolean;
}

/** What `get` asks for. */
export interface GetArguments {
  readonly storeId: string;
  readonly productId: string;
  readonly strong: boolean;
  readonly minVersion: string;
}

/** Shows one stock. */
export async function get(session: Session, wanted: GetArguments): Promise<void> {
  const { client, options, terminal } = session;
  const request: GetRequest = {
    storeId: wanted.storeId,
    productId: wanted.productId,
    consistency: consistencyOf(wanted),
    minVersion: wanted.minVersion,
  };
  const answer = await client.call('Get', request, Date.now() + options.deadlineMs);
  if (options.json) return printJson(session, answer);
  terminal.out.line(drawTable(terminal.out, STOCK_COLUMNS, [stockRow(answer.stock)]));
  terminal.out.line(terminal.out.paint('dim', freshnessText(answer)));
}

/** What `list` asks for; an empty id stands for any. */
export interface ListArguments {
  readonly storeId: string;
  readonly productId: string;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly all: boolean;
  readonly strong: boolean;
}

/** Shows a page of stocks, or with `all` every page from there on. */
export async function list(session: Session, wanted: ListArguments): Promise<void> {
  const { options, terminal } = session;
  const answer = wanted.all
    ? await everyPage(session, wanted)
    : await page(session, wanted, wanted.pageToken);
  if (options.json) return printJson(session, answer);
  const { out } = terminal;
  if (answer.stocks.length === 0) out.line('No stocks.');
  else out.line(drawTable(out, STOCK_COLUMNS, answer.stocks.map(stockRow)));
  const total = `${count(answer.stocks.length)} ${answer.stocks.length === 1 ? 'stock' : 'stocks'}.`;
  out.line(out.paint('dim', `${total} ${freshnessText(answer)}`));
  if (answer.nextPageToken !== '')
    out.line(`There are more: add --page-token ${answer.nextPageToken} for the next page, or --all.`);
}

function page({ client, options }: Session, wanted: ListArguments, pageToken: string): Promise<ListResponse> {
  const { storeId, productId, pageSize } = wanted;
  const request: ListRequest = {
    storeId,
    productId,
    pageSize,
    pageToken,
    consistency: consistencyOf(wanted),
  };
  return client.call('List', request, Date.now() + options.deadlineMs);
}

/** One answer out of all pages; of their ages it tells the worst. */
async function everyPage(session: Session, wanted: ListArguments): Promise<ListResponse> {
  const stocks: Stock[] = [];
  let pageToken = wanted.pageToken;
  let oldest: Freshness | undefined;
  do {
    const answer = await page(session, wanted, pageToken);
    stocks.push(...answer.stocks);
    if (oldest === undefined || answer.stale || answer.maxAgeMs > oldest.maxAgeMs) oldest = answer;
    pageToken = answer.nextPageToken;
  } while (pageToken !== '');
  const { source, cached, maxAgeMs, stale } = oldest;
  return { stocks, nextPageToken: '', source, cached, maxAgeMs, stale };
}

/** The consistency that --strong asks for. */
export function consistencyOf({ strong }: { readonly strong: boolean }): Consistency {
  return strong ? 'CONSISTENCY_STRONG' : 'CONSISTENCY_UNSPECIFIED';
}
