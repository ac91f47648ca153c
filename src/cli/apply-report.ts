import type { ApplyTally, Refusal } from './apply-run.js';
import { type Column, count, drawTable } from './tables.js';
import type { TextChannel } from './terminal.js';

/** How many refusals a person is shown. */
const SHOWN_REFUSALS = 20;

export interface ApplyResult {
  readonly file: string;
  readonly tally: ApplyTally;
  readonly retries: number;
  readonly seconds: number;
}

/** What --json prints. */
export function applyDocument({ file, tally, retries, seconds }: ApplyResult): object {
  const { batches, answered, applied, oversold, absorbed, replayed, refusals } = tally;
  return {
    ...{ file, operations: answered, batches, applied, oversold, absorbed, refused: refusals.length },
    ...{ replayed, retries, seconds: Math.round(seconds * 100) / 100 },
    refusals: refusals.map(({ operation, eventId, reason, message }) => {
      const { place, storeId, productId, type, quantity } = operation;
      return { place, storeId, productId, type, quantity, eventId, reason, message };
    }),
  };
}

export function showApplied(out: TextChannel, result: ApplyResult): void {
  const { tally, seconds } = result;
  const rows: [string, number][] = [
    ['Operations', tally.answered],
    ['Batches', tally.batches],
    ['Applied', tally.applied],
    ['Oversold: applied, with more sold than there was', tally.oversold],
    ['Absorbed: in a later count already', tally.absorbed],
    ['Refused', tally.refusals.length],
    ['  Replayed: decided before, nothing changed now', tally.replayed],
    ['Tries repeated', result.retries],
  ];
  const title = [{ title: result.file }, { title: `${seconds.toFixed(1)} s`, numeric: true }];
  const cells = rows.map(([name, value]) => [name, numberCell(out, name, value)]);
  out.line(drawTable(out, title, cells));
  showRefusals(out, tally.refusals);
  if (tally.answered > 0 && tally.replayed === tally.answered)
    out.line(out.paint('yellow', 'All of it was decided before. To do it once more, add --again.'));
}

const numberCell = (out: TextChannel, name: string, value: number): string =>
  value > 0 && name === 'Refused' ? out.paint('red', count(value)) : count(value);

const COLUMNS: readonly Column[] = [
  { title: 'Refused' },
  { title: 'Store' },
  { title: 'Product' },
  { title: 'Type' },
  { title: 'Quantity', numeric: true },
  { title: 'Reason' },
  { title: 'Message' },
];

/** Those that were refused for their own sake, not because their batch was. */
function showRefusals(out: TextChannel, refusals: readonly Refusal[]): void {
  const own = refusals.filter(({ reason }) => reason !== 'BATCH_REFUSED');
  const rows = own.slice(0, SHOWN_REFUSALS).map(({ operation, reason, message }) => {
    const { place, storeId, productId, type, quantity } = operation;
    return [place, storeId, productId, type, count(quantity), out.paint('red', reason), message];
  });
  if (rows.length > 0) out.line(drawTable(out, COLUMNS, rows));
  if (own.length > rows.length)
    out.line(`${count(own.length - rows.length)} more were refused; --refused FILE and --json have all.`);
  const alongside = refusals.length - own.length;
  if (alongside > 0)
    out.line(`${count(alongside)} were refused with their batch (BATCH_REFUSED), because of those in it.`);
}
