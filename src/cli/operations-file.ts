import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { joinFields, shortened, splitFields } from './csv.js';
import {
  type FileOperation,
  fieldOf,
  OPERATION_FIELDS,
  type RawOperation,
  toOperation,
} from './operations.js';
import { UsageError } from './usage-error.js';

/** The name that stands for standard input. */
export const STDIN = '-';
/** How many problems an error names. */
const SHOWN_PROBLEMS = 5;
const METADATA_PREFIX = 'metadata.';
const CSV_COLUMNS = 'store_id, product_id, type, quantity, event_id, occurred_time, reason, metadata.KEY';

/** What a file asks for. */
export interface OperationsFile {
  readonly format: 'csv' | 'json';
  readonly operations: readonly FileOperation[];
}

/**
 * Reads the operations of a file, or of standard input: CSV, or JSON where it begins like that; gzipped if its name ends
 * in `.gz`.
 *
 * @param defaultStore the store of operations that name none
 * @throws UsageError if it cannot be read, or naming what in it cannot be used
 */
export async function readOperationsFile(path: string, defaultStore: string): Promise<OperationsFile> {
  const name = path === STDIN ? 'Standard input' : path;
  const text = (await contentOf(path, name)).replace(/^\uFEFF/, '');
  const format = /^\s*[[{]/.test(text) ? 'json' : 'csv';
  const problems: string[] = [];
  const operations: FileOperation[] = [];
  for (const raw of format === 'json' ? fromJson(text, problems) : fromCsv(text, problems)) {
    try {
      operations.push(toOperation(raw, defaultStore));
    } catch (error) {
      problems.push(`${raw.place}: ${(error as Error).message}`);
    }
  }
  if (problems.length === 0 && operations.length === 0) problems.push('there is no operation in it');
  if (problems.length === 0) return { format, operations };
  const shown = problems.slice(0, SHOWN_PROBLEMS).map((problem) => `\n  ${problem}`);
  const more = problems.length > SHOWN_PROBLEMS ? `\n  and ${problems.length - SHOWN_PROBLEMS} more` : '';
  throw new UsageError(`${name} cannot be applied, and nothing was sent:${shown.join('')}${more}`);
}

async function contentOf(path: string, name: string): Promise<string> {
  try {
    const content = path === STDIN ? await buffer(process.stdin) : readFileSync(path);
    return (path.endsWith('.gz') ? gunzipSync(content) : content).toString('utf8');
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${(error as Error).message}`);
  }
}

function* fromCsv(text: string, problems: string[]): Generator<RawOperation> {
  const [header = '', ...lines] = text.split(/\r?\n/);
  const columns = splitFields(header)?.map((name) => name.trim()) ?? [];
  const known = columns.every((name) => name.startsWith(METADATA_PREFIX) || isColumn(name));
  if (!known || !columns.some((name) => fieldOf(name) === 'productId')) {
    problems.push(`line 1: the header must be some of ${CSV_COLUMNS}, not ${shortened(header)}`);
    return;
  }
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    const place = `line ${index + 2}`;
    const fields = splitFields(line);
    if (fields === undefined)
      problems.push(`${place}: a quotation mark stands in the wrong place: ${shortened(line)}`);
    else if (fields.length !== columns.length)
      problems.push(
        `${place}: ${columns.length} fields are needed, not ${fields.length}: ${shortened(line)}`,
      );
    else yield { place, values: valuesOf(columns, fields) };
  }
}

/** Metadata has a column for each key in place of one field. */
const isColumn = (name: string): boolean => ![undefined, 'metadata'].includes(fieldOf(name));

function valuesOf(columns: readonly string[], fields: readonly string[]): Record<string, unknown> {
  const metadata: Record<string, string> = {};
  const values: Record<string, unknown> = { metadata };
  columns.forEach((name, index) => {
    const value = fields[index] ?? '';
    if (!name.startsWith(METADATA_PREFIX)) values[fieldOf(name)!] = value;
    else if (value !== '') metadata[name.slice(METADATA_PREFIX.length)] = value;
  });
  return values;
}

/** A list of operations, or an object with the operations of one store as Apply takes them. */
function* fromJson(text: string, problems: string[]): Generator<RawOperation> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    problems.push(`it is not JSON: ${(error as Error).message}`);
    return;
  }
  const { operations, ...store } = Array.isArray(document)
    ? { operations: document }
    : (document as { operations?: unknown });
  if (!Array.isArray(operations)) {
    problems.push('the document must be a list of operations, or an object with "storeId" and "operations"');
    return;
  }
  const shared = namedFields(store, 'the document', ['storeId'], problems);
  for (const [index, each] of operations.entries()) {
    const place = `operation ${index + 1}`;
    if (typeof each !== 'object' || each === null || Array.isArray(each))
      problems.push(`${place}: it must be an object, not ${shortened(JSON.stringify(each))}`);
    else yield { place, values: { ...shared, ...namedFields(each, place, OPERATION_FIELDS, problems) } };
  }
}

function namedFields(
  object: object,
  place: string,
  known: readonly string[],
  problems: string[],
): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(object)) {
    const field = fieldOf(name);
    if (field !== undefined && known.includes(field)) fields[field] = value;
    else problems.push(`${place}: unknown field ${shortened(name)}; known are ${known.join(', ')}`);
  }
  return fields;
}

/** Operations as a file of this format that can be corrected and applied by itself: without event ids. */
export function formatOperations(operations: readonly FileOperation[], format: 'csv' | 'json'): string {
  const records = operations.map(
    ({ storeId, productId, type, quantity, occurredTime, reason, metadata }) => ({
      ...{ storeId, productId, type, quantity },
      ...(occurredTime !== '' && { occurredTime }),
      ...(reason !== '' && { reason }),
      ...(Object.keys(metadata).length > 0 && { metadata }),
    }),
  );
  if (format === 'json') return `${JSON.stringify(records, null, 2)}\n`;
  const keys = [...new Set(operations.flatMap(({ metadata }) => Object.keys(metadata)))];
  const header = ['store_id', 'product_id', 'type', 'quantity', 'occurred_time', 'reason'];
  const lines = operations.map((operation) => [
    ...[operation.storeId, operation.productId, operation.type, String(operation.quantity)],
    ...[operation.occurredTime, operation.reason, ...keys.map((key) => operation.metadata[key] ?? '')],
  ]);
  const all = [[...header, ...keys.map((key) => METADATA_PREFIX + key)], ...lines];
  return `${all.map(joinFields).join('\n')}\n`;
}
