import { InvalidArgumentError } from 'commander';
import { validate as isStandardUuid } from 'uuid';

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
