import type { FieldViolation, InventoryError } from '../domain/errors.js';
import { NET_LIMIT } from '../domain/types.js';
import type { Timestamp } from '../gen/grpc/google/protobuf/timestamp.js';
import { Consistency } from '../gen/grpc/inventory/v1/inventory.js';
import { invalidFields } from './errors.js';

export const ID_LIMIT = 50;
export const QUANTITY_LIMIT = 10_000;
export const REASON_LIMIT = 200;
export const METADATA_KEYS = 16;
const METADATA_KEY_LIMIT = 64;
const METADATA_BYTES = 2048;
const EARLIEST_SECONDS = 946_684_800n; // 2000-01-01
const FIRST_SECONDS = -62_135_596_800n; // 0001-01-01, the first that a protobuf Timestamp may hold
const LATEST_SECONDS = 253_402_300_799n; // 9999-12-31, the last that a protobuf Timestamp may hold
/** The times, in microseconds, between which everything is recorded: 1970 to 2255. */
export const EVER_US = { start: 0, end: Number.MAX_SAFE_INTEGER } as const;
/** What is named of many violations: trailers with all of them would be more than some clients take. */
const NAMED_VIOLATIONS = 32;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Control characters, what broken UTF-8 becomes, and surrogates without their other half. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\uFFFD]/u;
const NO_METADATA: Readonly<Record<string, string>> = Object.freeze({});

/** Collects what is wrong with a request, so that all of it is told at once. */
export class Violations {
  #list: FieldViolation[] | undefined;
  #total = 0;

  add(field: string, description: string): void {
    this.#total++;
    this.#list ??= [];
    if (this.#list.length < NAMED_VIOLATIONS) this.#list.push({ field, description });
  }

  /** What was found, or undefined where nothing is wrong. Of very many, the first ones are named. */
  get error(): InventoryError | undefined {
    return this.#list === undefined ? undefined : invalidFields(this.#list, this.#total);
  }

  /** @throws InventoryError INVALID_FIELD where anything was found. */
  throwIfAny(): void {
    if (this.#list !== undefined) throw this.error!;
  }
}

/** Takes what is wrong with a part of a request. */
export type ViolationSink = Pick<Violations, 'add'>;

/** Puts the place of one element of a list before the names of its fields. */
export const elementOf = (violations: ViolationSink, list: string, index: number): ViolationSink => ({
  add: (field, description) => violations.add(`${list}[${index}].${field}`, description),
});

/** Checks a store or product id. `label` is its name for people. */
export function checkId(violations: ViolationSink, label: string, id: string, field: string): void {
  if (isPlainId(id)) return;
  const problem = problemOfId(label, id);
  if (problem !== undefined) violations.add(field, problem);
}

/** Printable ASCII without outer spaces, in bounds: what nearly every id is. Says nothing about others. */
function isPlainId(id: string): boolean {
  const { length } = id;
  if (length === 0 || length > ID_LIMIT) return false;
  for (let i = 0; i < length; i++) {
    const code = id.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return id.charCodeAt(0) !== 0x20 && id.charCodeAt(length - 1) !== 0x20;
}

function problemOfId(label: string, id: string): string | undefined {
  const trimmed = id.trim();
  if (trimmed === '') return `${label} is required`;
  if (isLongerThan(id, ID_LIMIT)) return `${label} must not exceed ${ID_LIMIT} characters`;
  if (UNPRINTABLE.test(id)) return `${label} must not contain control or invalid characters`;
  if (trimmed !== id) return `${label} must not start or end with white space`;
  return undefined;
}

/** Whether an id keeps every rule. */
export const isValidId = (id: string): boolean => isPlainId(id) || problemOfId('', id) === undefined;

/** Counts code points, of which a string has at least half as many as UTF-16 units. */
function isLongerThan(text: string, limit: number): boolean {
  return text.length > limit && (text.length > 2 * limit || [...text].length > limit);
}

/** Checks what was counted and gives it back. */
export function checkCount(violations: ViolationSink, quantity: number | undefined): number {
  if (quantity === undefined) violations.add('quantity', 'Quantity is required');
  else if (quantity > NET_LIMIT) violations.add('quantity', 'Quantity must not exceed 1,000,000,000');
  else if (quantity < 0) violations.add('quantity', 'Quantity must be at least 0');
  else if (!Number.isInteger(quantity)) violations.add('quantity', 'Quantity must be a whole number');
  return quantity ?? 0;
}

/** Checks the quantity of what moves stock and gives it back. */
export function checkQuantity(violations: ViolationSink, quantity: number | undefined): number {
  if (quantity === undefined) violations.add('quantity', 'Quantity is required');
  else if (quantity > QUANTITY_LIMIT) violations.add('quantity', 'Quantity must not exceed 10,000');
  else if (quantity < 1) violations.add('quantity', 'Quantity must be at least 1');
  else if (!Number.isInteger(quantity)) violations.add('quantity', 'Quantity must be a whole number');
  return quantity ?? 0;
}

/** Whether it is a UUID in 8-4-4-4-12 hex form, of whatever version. */
export const isUuid = (text: string): boolean => UUID.test(text);

/** Checks an event id and gives it in lower case; undefined where there is none. */
export function checkEventId(violations: ViolationSink, eventId: string): string | undefined {
  if (eventId === '') return undefined;
  if (!isUuid(eventId)) {
    violations.add('eventId', 'Event ID must be a UUID, such as 01976f3e-7c1a-7d35-9d5b-6a7f4f3b2c10');
  }
  return eventId.toLowerCase();
}

/** Checks when something happened and gives it in microseconds; undefined where it is not told. */
export function checkOccurredTime(
  violations: ViolationSink,
  time: Timestamp | undefined,
): number | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  if (!isTime(time)) violations.add('occurredTime', 'Occurred time must be a valid time');
  else if (seconds < EARLIEST_SECONDS) {
    violations.add('occurredTime', 'Occurred time must not be before 2000-01-01');
  }
  // Later than receipt is at receipt.
  return Number(seconds) * 1000 > Date.now() ? undefined : Number(seconds) * 1e6 + Math.trunc(nanos / 1000);
}

/** Checks why something was done and gives it; undefined where it is not told. */
export function checkOperationReason(violations: ViolationSink, reason: string): string | undefined {
  if (isLongerThan(reason, REASON_LIMIT)) {
    violations.add('reason', `Reason must not exceed ${REASON_LIMIT} characters`);
  }
  if (UNPRINTABLE.test(reason)) {
    violations.add('reason', 'Reason must not contain control or invalid characters');
  }
  return reason === '' ? undefined : reason;
}

/**
 * Checks an end of a time range and gives it in whole microseconds, rounded up: of times in microseconds the same ones
 * are before it, and the same ones not.
 *
 * @param open what it is where it is not told.
 */
export function checkRangeTime(
  violations: Violations,
  label: string,
  time: Timestamp | undefined,
  field: string,
  open: number,
): number {
  if (time === undefined) return open;
  if (!isTime(time)) violations.add(field, `${label} must be a valid time`);
  const timeUs = Number(time.seconds) * 1e6 + Math.ceil(time.nanos / 1000);
  return Math.min(Math.max(timeUs, EVER_US.start), EVER_US.end);
}

/** Whether it is what a protobuf Timestamp may hold. */
const isTime = ({ seconds, nanos }: Timestamp): boolean =>
  seconds >= FIRST_SECONDS &&
  seconds <= LATEST_SECONDS &&
  Number.isInteger(nanos) &&
  nanos >= 0 &&
  nanos < 1e9;

/**
 * Checks a text of the caller's own choice.
 *
 * @param limit in characters.
 */
export function checkText(
  violations: Violations,
  label: string,
  text: string,
  field: string,
  limit: number,
): void {
  if (isLongerThan(text, limit)) violations.add(field, `${label} must not exceed ${limit} characters`);
  if (UNPRINTABLE.test(text))
    violations.add(field, `${label} must not contain control or invalid characters`);
}

/** Checks a value of a generated enum and gives its name; undefined where it is unspecified. */
export function checkEnum<Values extends Readonly<Record<string, number | string>>>(
  violations: Violations,
  label: string,
  value: number,
  field: string,
  values: Values,
): NameOf<Values> | undefined {
  if (value === values.UNSPECIFIED) return undefined;
  // The generated object also leads from numbers to names; UNRECOGNIZED stands for numbers without one.
  const names = Object.keys(values).filter((name) => Number(values[name]) > 0);
  const name = names.find((each) => values[each] === value);
  if (name === undefined) violations.add(field, `${label} must be ${inWords(names)}, or unset`);
  return name as NameOf<Values> | undefined;
}

type NameOf<Values> = Exclude<keyof Values, 'UNSPECIFIED' | 'UNRECOGNIZED' | number>;

const inWords = (names: readonly string[]): string => `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;

/** Checks what the caller attached. */
export function checkMetadata(
  violations: ViolationSink,
  metadata: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const keys = Object.keys(metadata);
  if (keys.length === 0) return NO_METADATA;
  if (keys.length > METADATA_KEYS)
    violations.add('metadata', `Metadata must not exceed ${METADATA_KEYS} keys`);
  let bytes = 0;
  let unprintable = false;
  let badKey = false;
  for (const key of keys) {
    const value = metadata[key]!;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    badKey ||= key === '' || isLongerThan(key, METADATA_KEY_LIMIT);
    unprintable ||= UNPRINTABLE.test(key) || UNPRINTABLE.test(value);
  }
  if (badKey) violations.add('metadata', `Metadata keys must have 1 to ${METADATA_KEY_LIMIT} characters`);
  if (bytes > METADATA_BYTES) violations.add('metadata', 'Metadata must not exceed 2 KB');
  if (unprintable) violations.add('metadata', 'Metadata must not contain control or invalid characters');
  return metadata;
}

/** Checks how fresh an answer must be; true for STRONG. */
export function checkConsistency(violations: ViolationSink, consistency: Consistency): boolean {
  if (consistency === Consistency.UNSPECIFIED) return false;
  if (consistency !== Consistency.STRONG)
    violations.add('consistency', 'Consistency must be STRONG or unset');
  return true;
}
