import { InventoryError } from '../domain/errors.js';
import type { Timestamp } from '../gen/grpc/google/protobuf/timestamp.js';
import { Violations } from './field-rules.js';
import { parseTime } from './rest-time.js';

/** Field names as people read them. */
const LABELS: Readonly<Record<string, string>> = {
  storeId: 'Store ID',
  productId: 'Product ID',
  quantity: 'Quantity',
  delta: 'Delta',
  type: 'Type',
  mode: 'Mode',
  operations: 'Operations',
  reason: 'Reason',
  eventId: 'Event ID',
  occurredTime: 'Occurred time',
  metadata: 'Metadata',
  keys: 'Keys',
  consistency: 'Consistency',
  minVersion: 'Minimum version',
  pageSize: 'Page size',
  pageToken: 'Page token',
  status: 'Status',
  origin: 'Origin',
  actor: 'Actor',
  startTime: 'Start time',
  endTime: 'End time',
  descending: 'Descending',
  cursor: 'Cursor',
};

/** What stands for a name that an enum does not have, in the generated code. */
const UNRECOGNIZED = -1;

type Values = Readonly<Record<string, unknown>>;

/**
 * Reads the fields of a query or JSON object by type, and collects what has another type or is not known: REST is
 * strict where protobuf is lenient. A field that is null counts as absent.
 */
export class RestFields {
  readonly #values: Values;
  readonly #found: { field: string; description: string }[];

  constructor(
    values: unknown,
    names: readonly string[],
    private readonly prefix = '',
    found: { field: string; description: string }[] = [],
  ) {
    this.#values = values as Values;
    this.#found = found;
    for (const name in this.#values) {
      if (!names.includes(name)) this.add(name, `Unknown field; known are ${names.join(', ')}`);
    }
  }

  has(name: string): boolean {
    const value = this.#values[name];
    return value !== undefined && value !== null;
  }

  /** Empty where absent. */
  text(name: string): string {
    const value = this.#values[name];
    if (typeof value === 'string') return value;
    if (this.has(name)) this.add(name, `${LABELS[name]} must be one string`);
    return '';
  }

  /** A parameter of a query that may be given several times; none where absent. */
  repeatedText(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? (value as string[]) : [this.text(name)].filter(() => this.has(name));
  }

  number(name: string): number | undefined {
    const value = this.#values[name];
    if (typeof value === 'number') return value;
    if (this.has(name)) this.add(name, `${LABELS[name]} must be a number`);
    return undefined;
  }

  /** The digits of a whole number of 64 bits in a query; '0' where absent. */
  wholeNumberText(name: string): string {
    const text = this.text(name);
    if (/^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text)) return text;
    if (text !== '') this.add(name, `${LABELS[name]} must be a whole number`);
    return '0';
  }

  /** In a query; 0 where absent. Above every limit it is cut, since a long number is another one as a double. */
  pageSize(): number {
    return Math.min(Number(this.wholeNumberText('pageSize')), 1_000_000);
  }

  /** `true` or `false` in a query; false where absent. */
  flag(name: string): boolean {
    const text = this.text(name);
    if (!['', 'true', 'false'].includes(text)) this.add(name, `${LABELS[name]} must be true or false`);
    return text === 'true';
  }

  /** The value of a generated enum by its name. One that it does not have is left to the request's own rules. */
  choice<Value extends number>(name: string, values: Readonly<Record<string, Value | string>>): Value {
    const text = this.text(name).toUpperCase();
    const value = values[text === '' ? 'UNSPECIFIED' : text];
    return (typeof value === 'number' && text !== 'UNSPECIFIED' ? value : UNRECOGNIZED) as Value;
  }

  /** In RFC 3339; undefined where absent. */
  time(name: string): Timestamp | undefined {
    const text = this.text(name);
    const time = parseTime(text);
    if (time === undefined && text !== '')
      this.add(name, `${LABELS[name]} must be a time as in 2026-01-31T10:30:00Z`);
    return time;
  }

  list(name: string): readonly unknown[] {
    const value = this.#values[name];
    if (Array.isArray(value)) return value;
    if (this.has(name)) this.add(name, `${LABELS[name]} must be a list`);
    return [];
  }

  /** An object of strings; empty where absent. */
  texts(name: string): Record<string, string> {
    if (!this.has(name)) return {};
    const value = this.#values[name];
    if (!isObject(value) || !Object.values(value).every((each) => typeof each === 'string')) {
      this.add(name, `${LABELS[name]} must be an object of strings`);
      return {};
    }
    return value as Record<string, string>;
  }

  /** The fields of an object inside this one; its problems are collected here. */
  part(value: unknown, path: string, names: readonly string[]): RestFields {
    if (isObject(value)) return new RestFields(value, names, `${path}.`, this.#found);
    this.#found.push({ field: path, description: 'Must be an object' });
    return new RestFields({}, [], `${path}.`, this.#found);
  }

  add(name: string, description: string): void {
    this.#found.push({ field: `${this.prefix}${name}`, description });
  }

  /**
   * Where anything was found, tells it together with what the request's own rules say about its other fields.
   *
   * @throws InventoryError INVALID_FIELD.
   */
  throwIfAny(validate: () => unknown): void {
    if (this.#found.length === 0) return;
    const violations = new Violations();
    const fields = new Set(this.#found.map(({ field }) => field));
    for (const { field, description } of this.#found) violations.add(field, description);
    for (const { field, description } of violationsOf(validate)) {
      const known = [...fields].some((each) => field === each || field.startsWith(`${each}.`));
      if (!known) violations.add(field, description);
    }
    violations.throwIfAny();
  }
}

function violationsOf(validate: () => unknown): InventoryError['violations'] {
  try {
    validate();
  } catch (error) {
    if (error instanceof InventoryError) return error.violations;
    throw error;
  }
  return [];
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
