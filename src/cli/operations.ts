import { timestamp, uuid } from './arguments.js';
import { shortened } from './csv.js';
import { OPERATION_TYPES } from './messages.js';

export type OperationType = (typeof OPERATION_TYPES)[number];

/** One operation of a file. Whether its values are in bounds is for the service to judge, which says it exactly. */
export interface FileOperation {
  /** Where it stands, as people would say it: `line 17`, `operation 3`. */
  readonly place: string;
  readonly storeId: string;
  readonly productId: string;
  readonly type: OperationType;
  readonly quantity: number;
  /** Undefined where the file has none. */
  readonly eventId: string | undefined;
  /** RFC 3339; empty where it is not told. */
  readonly occurredTime: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An operation as the file has it, by the names of the contract's fields; what it is made of is not known yet. */
export interface RawOperation {
  readonly place: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export const OPERATION_FIELDS = [
  'storeId',
  'productId',
  'type',
  'quantity',
  'eventId',
  'occurredTime',
  'reason',
  'metadata',
] as const;

type Field = (typeof OPERATION_FIELDS)[number];

/** The field that a name in the file means: `store_id` and `storeId` alike. Undefined where there is none. */
export function fieldOf(name: string): Field | undefined {
  const camel = name.trim().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return OPERATION_FIELDS.find((field) => field === camel);
}

/**
 * @param defaultStore the store of operations that name none
 * @throws Error saying what is wrong
 */
export function toOperation({ place, values }: RawOperation, defaultStore: string): FileOperation {
  const text = (field: Field, label: string): string => {
    const value = values[field] ?? '';
    if (typeof value === 'string') return value;
    throw new Error(`${label} must be a text, not ${shown(value)}`);
  };
  const storeId = text('storeId', 'store_id') || defaultStore;
  if (storeId === '') throw new Error('store_id is missing; give it there or with --store');
  const productId = text('productId', 'product_id');
  if (productId === '') throw new Error('product_id is missing');
  return {
    place,
    storeId,
    productId,
    type: typeOf(text('type', 'type')),
    quantity: quantityOf(values.quantity),
    eventId: eventIdOf(text('eventId', 'event_id')),
    occurredTime: timeOf(text('occurredTime', 'occurred_time')),
    reason: text('reason', 'reason'),
    metadata: metadataOf(values.metadata ?? {}),
  };
}

function typeOf(text: string): OperationType {
  const name = text.toUpperCase().replace(/^OPERATION_TYPE_/, '');
  const type = OPERATION_TYPES.find((each) => each === name);
  if (type !== undefined) return type;
  throw new Error(`type must be SALE, RESTOCK, RETURN, COUNT or WASTE, not ${shortened(text)}`);
}

function quantityOf(value: unknown): number {
  if (value === undefined || value === null || value === '') throw new Error('quantity is missing');
  const quantity = typeof value === 'string' && /^-?\d{1,10}$/.test(value) ? Number(value) : value;
  if (Number.isInteger(quantity) && Math.abs(quantity as number) < 2 ** 31) return quantity as number;
  throw new Error(`quantity must be a whole number, not ${shown(value)}`);
}

function eventIdOf(text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return uuid(text);
  } catch {
    throw new Error(`event_id must be a UUID, not ${shortened(text)}`);
  }
}

function timeOf(text: string): string {
  if (text === '' || timestamp(text) !== undefined) return text;
  throw new Error(`occurred_time must be a time as in 2026-01-31T10:30:00Z, not ${shortened(text)}`);
}

function metadataOf(value: unknown): Record<string, string> {
  const isMap =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((each) => typeof each === 'string');
  if (isMap) return value as Record<string, string>;
  throw new Error(`metadata must be an object of texts, not ${shown(value)}`);
}

const shown = (value: unknown): string =>
  shortened(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
