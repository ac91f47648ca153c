import { InvalidArgumentError, Option } from 'commander';
import { validate as isStandardUuid } from 'uuid';
import type { Timestamp } from './messages.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const SERVER = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]/]+):(\d{1,5})$/;

/** A parser of whole numbers from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** Units as the service counts them. Whether they are 1 to 10,000 is for the service to judge, which says it exactly. */
export function units(text: string): number {
  const value = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (Math.abs(value) < 2 ** 31) return value;
  throw new InvalidArgumentError('It must be a whole number of units, 1 to 10,000.');
}

/** int64, kept as text: a JavaScript number cannot hold all of them. */
export function version(text: string): string {
  if (/^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n) return BigInt(text).toString();
  throw new InvalidArgumentError('It must be a whole number from 0 on.');
}

export function uuid(text: string): string {
  if (UUID.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError(
    'It must be a UUID, 8-4-4-4-12 hex digits, such as 01890a5d-ac96-774b-bcce-b302099a8057.',
  );
}

/** Stricter than an event id: making ids in a namespace needs a UUID of a known version. */
export function namespace(text: string): string {
  if (isStandardUuid(text)) return text.toLowerCase();
  throw new InvalidArgumentError('It must be a UUID of version 1 to 8; make one with: uuidgen');
}

export function serverAddress(text: string): string {
  const port = Number(SERVER.exec(text)?.[2]);
  if (port >= 1 && port <= 65_535) return text;
  throw new InvalidArgumentError('It must be HOST:PORT, such as 127.0.0.1:50051.');
}

/** Collects a repeated option. */
export const gathered = (text: string, previous: readonly string[] = []): string[] => [...previous, text];

/** Collects repeated `--metadata key=value`; the value may be empty and may hold further equals signs. */
export function metadataPair(
  text: string,
  previous: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('It must be KEY=VALUE, such as till=4.');
  const key = text.slice(0, equals);
  if (Object.hasOwn(previous, key)) throw new InvalidArgumentError(`The key ${key} is given twice.`);
  return { ...previous, [key]: text.slice(equals + 1) };
}

/** An option with one of these values, typed in capital or small letters. */
export function choice(flags: string, description: string, values: readonly string[]): Option {
  const choices = values.map((value) => value.toLowerCase());
  return new Option(flags, description).choices(choices).argParser((text) => {
    if (choices.includes(text.toLowerCase())) return text.toLowerCase();
    throw new InvalidArgumentError(`It must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}.`);
  });
}

const AGE = /^(\d{1,9})(s|m|h|d)$/;
const UNIT_SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** A time as in 2026-01-31T10:30:00Z, a day (its start in UTC), or an age: 90s, 15m, 2h, 7d. */
export function pointInTime(text: string): Timestamp {
  const [, age, unit] = AGE.exec(text) ?? [];
  if (age !== undefined) {
    const agoSeconds = Number(age) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS];
    const ms = Math.max(0, Date.now() - agoSeconds * 1_000);
    return { seconds: String(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
  }
  const time = timestamp(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
  if (time !== undefined) return time;
  throw new InvalidArgumentError(
    'It must be a time as in 2026-01-31T10:30:00Z, a day, or how long ago: 90s, 15m, 2h, 7d.',
  );
}

const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/** The time that a text in RFC 3339 names; undefined where it is none. */
export function timestamp(text: string): Timestamp | undefined {
  const [, day, time, fraction = '', zone] = RFC_3339.exec(text) ?? [];
  const local = Date.parse(`${day}T${time}Z`);
  const ms = Date.parse(`${day}T${time}${zone?.toUpperCase()}`);
  // Date.parse takes the 30th of February for the 2nd of March.
  if (Number.isNaN(ms) || new Date(local).toISOString().slice(0, 10) !== day) return undefined;
  return { seconds: String(ms / 1_000), nanos: Number(fraction.padEnd(9, '0')) };
}
