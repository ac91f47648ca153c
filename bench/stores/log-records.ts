import { crc32 } from 'node:zlib';

/** What a store did: it sold something, or took it back, or got a delivery, or counted what is on the shelf. */
export interface StoreOperation {
  readonly eventId: string;
  readonly productId: string;
  readonly type: 'SALE' | 'RETURN' | 'RESTOCK' | 'COUNT';
  /** 1 to 10,000; counted may also be 0. */
  readonly quantity: number;
  /** By the store's clock, in milliseconds since 1970. */
  readonly atMs: number;
}

/** A stock as the service told of it. */
export interface ToldStock {
  readonly productId: string;
  /** Below 0: oversold. */
  readonly net: number;
  readonly version: number;
}

/** One line of a store's file. What a store knows is what its lines come to, in their order. */
export type LogRecord =
  | { readonly kind: 'operation'; readonly operation: StoreOperation }
  /** The next `count` operations are a message. */
  | { readonly kind: 'message'; readonly sequence: number; readonly count: number }
  /** A new log number: what was not acknowledged gets new messages. */
  | { readonly kind: 'epoch'; readonly epoch: number }
  | { readonly kind: 'acknowledged'; readonly sequence: number }
  /** Stocks as they are in the service; a snapshot has all of them, whatever was told before. What became of a message tells them, too. */
  | {
      readonly kind: 'stocks';
      readonly stocks: readonly ToldStock[];
      readonly includedSequence: number;
      readonly isSnapshot: boolean;
    }
  /** Everything up to here has been told; empty: all that was sent again is acknowledged, and a snapshot is needed. */
  | { readonly kind: 'cursor'; readonly cursor: string };

/** A line: the checksum of the rest, a space, JSON. */
export function encodeRecord(record: LogRecord): string {
  const text = JSON.stringify(record);
  return `${checksum(text)} ${text}\n`;
}

/** The records of a file, up to the first line that is not whole: what stands behind it was never acted upon. */
export function decodeRecords(bytes: Buffer): { readonly records: LogRecord[]; readonly wholeBytes: number } {
  const records: LogRecord[] = [];
  let from = 0;
  for (;;) {
    const end = bytes.indexOf(NEW_LINE, from);
    if (end < 0) break;
    const record = decodeLine(bytes.toString('utf8', from, end));
    if (record === undefined) break;
    records.push(record);
    from = end + 1;
  }
  return { records, wholeBytes: from };
}

const NEW_LINE = '\n'.charCodeAt(0);

function decodeLine(line: string): LogRecord | undefined {
  const [sum, text] = [line.slice(0, 8), line.slice(9)];
  return checksum(text) === sum ? (JSON.parse(text) as LogRecord) : undefined;
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0');
