import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import { shortened, splitFields } from './csv.js';
import { UsageError } from './usage-error.js';

/** The columns of an invoice file, in this order. */
export const COLUMNS = ['invoice_no', 'stock_code', 'quantity', 'unit_price', 'country'] as const;

/** What one command can move. */
const MAX_UNITS = 10_000;
/** How many bad lines an error names. */
const SHOWN_PROBLEMS = 5;

/** One line of an invoice. */
export interface InvoiceLine {
  /** Its number in the file; the header is line 1. */
  readonly line: number;
  readonly invoice: string;
  readonly product: string;
  /** Units sold, or below 0 units that came back; never 0. */
  readonly quantity: number;
  readonly unitPrice: string;
  readonly store: string;
}

/**
 * Reads all lines of a CSV file, gzipped if its name ends in `.gz`.
 *
 * @throws UsageError if the file cannot be read, or naming the lines that cannot be used
 */
export async function readInvoiceLines(path: string): Promise<InvoiceLine[]> {
  const parser = new InvoiceParser();
  const parse = async (source: AsyncIterable<Buffer>): Promise<void> => {
    const decoder = new StringDecoder('utf8');
    for await (const chunk of source) parser.push(decoder.write(chunk));
    parser.push(decoder.end());
  };
  try {
    const file = createReadStream(path);
    if (path.endsWith('.gz')) await pipeline(file, createGunzip(), parse);
    else await pipeline(file, parse);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
  return parser.finish(path);
}

/** Takes the text of a file in pieces and cuts it into invoice lines. */
export class InvoiceParser {
  readonly #lines: InvoiceLine[] = [];
  readonly #problems: string[] = [];
  #rest = '';
  #lineNumber = 0;
  #headerIsRight = false;

  push(text: string): void {
    const pieces = (this.#rest + text).split('\n');
    this.#rest = pieces.pop() ?? '';
    for (const piece of pieces) this.#take(piece);
  }

  /** @throws UsageError naming the lines that cannot be used */
  finish(path: string): InvoiceLine[] {
    if (this.#rest !== '') this.#take(this.#rest);
    this.#rest = '';
    if (this.#lineNumber === 0) this.#problems.push('it is empty');
    else if (this.#lines.length === 0 && this.#problems.length === 0)
      this.#problems.push('there is no line after the header');
    if (this.#problems.length === 0) return this.#lines;
    const shown = this.#problems.slice(0, SHOWN_PROBLEMS).map((problem) => `\n  ${problem}`);
    const more = this.#problems.length - shown.length;
    throw new UsageError(
      `${path} cannot be replayed, and nothing was sent:${shown.join('')}${more > 0 ? `\n  and ${more} more` : ''}`,
    );
  }

  #take(raw: string): void {
    this.#lineNumber++;
    const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (this.#lineNumber === 1) this.#takeHeader(text.replace(/^\uFEFF/, ''));
    else if (text !== '' && this.#headerIsRight) this.#takeLine(text);
  }

  #takeHeader(text: string): void {
    this.#headerIsRight = text === COLUMNS.join(',');
    if (!this.#headerIsRight)
      this.#problems.push(`line 1: the header must be ${COLUMNS.join(',')}, not ${shortened(text)}`);
  }

  #takeLine(text: string): void {
    const parsed = parseLine(text, this.#lineNumber);
    if (typeof parsed === 'string') this.#problems.push(`line ${this.#lineNumber}: ${parsed}`);
    else this.#lines.push(parsed);
  }
}

/** @returns what is wrong with the line, where something is */
function parseLine(text: string, line: number): InvoiceLine | string {
  const fields = splitFields(text);
  if (fields === undefined) return `a quotation mark stands in the wrong place: ${shortened(text)}`;
  const [invoice, product, units, unitPrice, store] = fields;
  if (fields.length !== COLUMNS.length || units === undefined)
    return `${COLUMNS.length} fields are needed, not ${fields.length}: ${shortened(text)}`;
  if (!product) return 'stock_code is empty';
  if (!store) return 'country is empty';
  const quantity = /^-?\d+$/.test(units) ? Number(units) : Number.NaN;
  if (!(Math.abs(quantity) >= 1 && Math.abs(quantity) <= MAX_UNITS))
    return `quantity must be a whole number from 1 to ${MAX_UNITS}, or from -${MAX_UNITS} to -1 for a return, not ${shortened(units)}`;
  return { line, invoice: invoice ?? '', product, quantity, unitPrice: unitPrice ?? '', store };
}
