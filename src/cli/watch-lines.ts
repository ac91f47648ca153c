import { type Stock, type StockChange, shortName, type WatchResponse } from './messages.js';
import { count, outcome } from './tables.js';
import type { TextChannel } from './terminal.js';

/** The newest version of each stock that has been seen. */
export class SeenVersions {
  readonly #versions = new Map<string, bigint>();

  /** @returns the version that was seen before, where this one is newer; it is seen from now on. */
  note({
    storeId,
    productId,
    version,
  }: Omit<Stock, 'createTime'>): { readonly before: bigint | undefined } | undefined {
    const key = JSON.stringify([storeId, productId]);
    const before = this.#versions.get(key);
    if (before !== undefined && before >= BigInt(version)) return undefined;
    this.#versions.set(key, BigInt(version));
    return { before };
  }
}

/** What a message has that was not seen before. */
export interface News {
  /** Stocks of a snapshot that changed since they were last seen: their changes have not come, and will not. */
  readonly missed: readonly Stock[];
  readonly changes: readonly StockChange[];
}

export function newsOf({ stocks, changes }: WatchResponse, seen: SeenVersions): News {
  return {
    missed: stocks.filter((stock) => seen.note(stock)?.before !== undefined),
    changes: changes.filter(({ stock }) => seen.note(stock) !== undefined),
  };
}

interface Column {
  readonly title: string;
  /** Wide enough for what stands in it as a rule. */
  readonly width: number;
  readonly numeric?: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: 'Recorded', width: '2026-01-31T10:30:00.123456Z'.length },
  { title: 'Store', width: 9 },
  { title: 'Product', width: 9 },
  { title: 'Type', width: 7 },
  { title: 'Change', width: 7, numeric: true },
  { title: 'On hand', width: 7, numeric: true },
  { title: 'Version', width: 7, numeric: true },
  { title: 'Actor', width: 9 },
  { title: 'Outcome', width: 0 },
];

/** Prints changes under their titles as they come. A column grows with what stands in it. */
export class WatchLines {
  readonly #widths = COLUMNS.map(({ width }) => width);
  #begun = false;

  constructor(private readonly out: TextChannel) {}

  print({ missed, changes }: News): void {
    for (const stock of missed) this.#row(missedCells(stock), this.out.paint('yellow', 'CHANGES MISSED'));
    for (const change of changes) this.#row(changeCells(change), this.#outcome(change), change.appliedDelta);
  }

  #outcome({ effect, skippedVersions }: StockChange): string {
    const left =
      skippedVersions === '0'
        ? ''
        : this.out.paint('yellow', `, ${count(skippedVersions)} before it left out`);
    return outcome(this.out, effect, '') + left;
  }

  #row(cells: readonly string[], last: string, delta = 0): void {
    if (!this.#begun) {
      this.#begun = true;
      this.out.line(this.out.paint('bold', this.#padded(COLUMNS.map(({ title }) => title)).join('  ')));
    }
    const padded = this.#padded(cells);
    padded[CHANGE_COLUMN] = this.out.paint(delta < 0 ? 'red' : 'green', padded[CHANGE_COLUMN]!);
    this.out.line([...padded, last].join('  '));
  }

  #padded(cells: readonly string[]): string[] {
    return cells.map((cell, index) => {
      const width = Math.max(this.#widths[index]!, cell.length);
      this.#widths[index] = width;
      return COLUMNS[index]!.numeric ? cell.padStart(width) : cell.padEnd(width);
    });
  }
}

const CHANGE_COLUMN = COLUMNS.findIndex(({ title }) => title === 'Change');

const changeCells = ({ stock, type, appliedDelta, recordedTime, actor }: StockChange): string[] => [
  recordedTime,
  ...stockCells(stock, shortName('OPERATION_TYPE', type), signed(appliedDelta)),
  actor,
];

const missedCells = (stock: Stock): string[] => [stock.updateTime, ...stockCells(stock, '', ''), ''];

const stockCells = (stock: Omit<Stock, 'createTime'>, type: string, change: string): string[] => [
  ...[stock.storeId, stock.productId, type, change],
  ...[count(stock.quantity - stock.oversold), count(stock.version)],
];

const signed = (units: number): string => (units > 0 ? `+${count(units)}` : count(units));
