import type { DescMessage } from '@bufbuild/protobuf';
import { type BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** The fields of a message that are messages themselves, by their numbers. */
export type Nesting = ReadonlyMap<number, Nesting>;

const FLAT: Nesting = new Map();

/** What is nested in messages of this type. None of ours holds itself. */
export function nestingOf({ fields }: DescMessage): Nesting {
  const nesting = new Map<number, Nesting>();
  for (const { number, fieldKind, message } of fields) {
    // The entries of a map are messages too, of a key and a value: ours are all texts.
    if (fieldKind === 'map') nesting.set(number, FLAT);
    else if (message !== undefined) nesting.set(number, nestingOf(message));
  }
  return nesting;
}

/**
 * Reads over a whole message. The generated code stops at an invalid tag as if the message ended there; where that is a
 * nested one, it goes on with what is left of it as fields of the outer one.
 *
 * Takes 0.1 µs for a sale, and for each operation of a batch: the library's `skip` makes an object of what it skips, and is
 * left to what no caller sends.
 *
 * @throws Error where a tag is invalid, or a field is not whole.
 */
export function checkEncoding(reader: BinaryReader, end: number, nesting: Nesting): void {
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (wireType === WireType.Varint) reader.uint32();
    else if (wireType === WireType.LengthDelimited) {
      const length = reader.uint32();
      const fieldEnd = reader.pos + length;
      const nested = fieldEnd > end ? undefined : nesting.get(field);
      if (nested === undefined) reader.pos = fieldEnd;
      else checkEncoding(reader, fieldEnd, nested);
    } else reader.skip(wireType, field);
  }
  if (reader.pos > end) throw new RangeError('a field goes on behind the end of its message');
}
