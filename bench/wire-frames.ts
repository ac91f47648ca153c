/** The parts of HTTP/2 (RFC 9113) and HPACK (RFC 7541) that a client of unary gRPC calls needs. */

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
} as const;

export const END_STREAM = 0x1;
export const ACK = 0x1;
const END_HEADERS = 0x4;

const FRAME_HEADER_BYTES = 9;
/** gRPC's own prefix of a message: not compressed, and four bytes of length. */
export const MESSAGE_PREFIX_BYTES = 5;
const LARGEST_WINDOW = 0x7fffffff;
/** What may be sent, in each direction, before the first WINDOW_UPDATE. */
export const FIRST_WINDOW = 65_535;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame[3] = type;
  frame[4] = flags;
  frame.writeUInt32BE(stream, 5);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** A whole unary request: its headers, and its message in one DATA frame that ends the stream. */
export function encodeRequest(stream: number, headers: Uint8Array, message: Uint8Array): Buffer {
  const data = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES + message.length);
  data[0] = 0;
  data.writeUInt32BE(message.length, 1);
  data.set(message, MESSAGE_PREFIX_BYTES);
  return Buffer.concat([
    encodeFrame(FRAME.HEADERS, END_HEADERS, stream, headers),
    encodeFrame(FRAME.DATA, END_STREAM, stream, data),
  ]);
}

/**
 * Takes the whole frames off the front of what has arrived.
 *
 * @returns the rest, which begins a frame that has not arrived in full.
 */
export function takeFrames(arrived: Buffer, onFrame: (frame: Frame) => void): Buffer {
  let start = 0;
  while (arrived.length - start >= FRAME_HEADER_BYTES) {
    const end = start + FRAME_HEADER_BYTES + arrived.readUIntBE(start, 3);
    if (end > arrived.length) break;
    onFrame({
      type: arrived[start + 3] ?? 0,
      flags: arrived[start + 4] ?? 0,
      stream: arrived.readUInt32BE(start + 5) & LARGEST_WINDOW,
      payload: arrived.subarray(start + FRAME_HEADER_BYTES, end),
    });
    start = end;
  }
  return arrived.subarray(start);
}

/**
 * What a client says first: that it is HTTP/2, and that it takes 2 GB of answers, on each stream and on the whole
 * connection, before it would have to allow more. A connection of the benchmark never comes that far.
 */
export function preface(): Buffer {
  const initialWindowSize = 4;
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(initialWindowSize, 0);
  settings.writeUInt32BE(LARGEST_WINDOW, 2);
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(LARGEST_WINDOW - FIRST_WINDOW);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    encodeFrame(FRAME.SETTINGS, 0, 0, settings),
    encodeFrame(FRAME.WINDOW_UPDATE, 0, 0, increment),
  ]);
}

/**
 * The header blocks of a connection that calls one method only: the first one puts its headers into the connection's
 * table, the later ones name them by number, as any HTTP/2 client does.
 */
export function headerBlocks(
  path: string,
  authority: string,
  timeout = '5S',
): { first: Buffer; later: Buffer } {
  const text = (value: string) => Buffer.from([value.length, ...Buffer.from(value, 'latin1')]);
  const methodPost = 0x83;
  const schemeHttp = 0x86;
  const first = Buffer.concat([
    Buffer.from([methodPost, schemeHttp]),
    Buffer.from([0x44]), // :path, to be added to the table
    text(path),
    Buffer.from([0x41]), // :authority
    text(authority),
    Buffer.from([0x5f]), // content-type
    text('application/grpc'),
    Buffer.from([0x40]), // a new name
    text('te'),
    text('trailers'),
    Buffer.from([0x40]),
    text('grpc-timeout'),
    text(timeout),
  ]);
  // The table's newest entry has number 62: grpc-timeout; the oldest of the five is :path.
  return { first, later: Buffer.from([methodPost, schemeHttp, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]) };
}
