import type { Consistency, Freshness, GetRequest, ListRequest, ListResponse, Stock } from './messages.js';
import { printJson, type Session } from './session.js';
import { count, drawTable, freshnessText, STOCK_COLUMNS, stockRow } from './tables.js';

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

function consistencyOf({ strong }: { readonly strong: boolean }): Consistency {
  return strong ? 'CONSISTENCY_STRONG' : 'CONSISTENCY_UNSPECIFIED';
}
