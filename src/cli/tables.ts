import Table from 'cli-table3';
import { type Freshness, type Stock, shortName } from './messages.js';
import type { TextChannel } from './terminal.js';

/** A column: its title, and whether it holds numbers (which stand to the right). */
export interface Column {
  readonly title: string;
  readonly numeric?: boolean;
}

/** Draws rows of cells under their titles. */
export function drawTable(
  channel: TextChannel,
  columns: readonly Column[],
  rows: readonly string[][],
): string {
  const table = new Table({
    head: columns.map(({ title }) => channel.paint('bold', title)),
    colAligns: columns.map(({ numeric }) => (numeric ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  return table.toString();
}

/** A whole number with thousands set off: 12,345. */
export function count(value: number | string): string {
  return BigInt(value).toLocaleString('en-US');
}

export const STOCK_COLUMNS: readonly Column[] = [
  { title: 'Store' },
  { title: 'Product' },
  { title: 'On hand', numeric: true },
  { title: 'Oversold', numeric: true },
  { title: 'Version', numeric: true },
  { title: 'Updated' },
];

/** The cells of one stock under STOCK_COLUMNS. */
export function stockRow(stock: Stock): string[] {
  return [
    stock.storeId,
    stock.productId,
    count(stock.quantity),
    count(stock.oversold),
    count(stock.version),
    stock.updateTime,
  ];
}

const EFFECT_STYLES: Readonly<Record<string, Parameters<TextChannel['paint']>[0]>> = {
  EFFECT_APPLIED: 'green',
  EFFECT_OVERSOLD: 'yellow',
  EFFECT_ABSORBED: 'dim',
  EFFECT_REFUSED: 'red',
};

/** What became of an operation; of a refused one the reason. */
export function outcome(channel: TextChannel, effect: string, reason: string): string {
  const text = effect === 'EFFECT_REFUSED' ? shortName('ERROR_REASON', reason) : shortName('EFFECT', effect);
  return channel.paint(EFFECT_STYLES[effect] ?? 'reset', text);
}

const SOURCES: Readonly<Record<string, string>> = {
  SOURCE_LOCAL_CACHE: "the service's own cache",
  SOURCE_SHARED_CACHE: 'the shared cache',
  SOURCE_REPLICA: 'the replica',
  SOURCE_PRIMARY: 'the primary',
};

/** Where an answer was read and how old it can be, as a sentence. */
export function freshnessText(answer: Freshness): string {
  const source = SOURCES[answer.source] ?? answer.source;
  const warning = answer.stale ? ' Nothing fresher can be reached now: it may be older than 5 seconds.' : '';
  return `Read from ${source}, at most ${count(answer.maxAgeMs)} ms old.${warning}`;
}
