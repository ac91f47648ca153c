import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { status } from '@grpc/grpc-js';
import { InventoryError } from '../domain/errors.js';
import type { Calls } from './call.js';
import { errorInfoAsConnectJson, STATUS_DETAILS_KEY, statusBytes } from './error-details.js';
import { ERROR_TABLE, malformedMessage, messageTooLarge, wireMessage } from './errors.js';
import type { RpcKey, UnaryRpc } from './rpcs.js';
import { RPC_NAMES } from './rpcs.js';

/** Marks the frame of a gRPC-Web body that holds the trailers. */
const TRAILER_FLAG = 0x80;
/** Marks the last frame of a Connect stream, which tells how it ended. */
const END_STREAM_FLAG = 0x02;
const FRAME_HEADER_BYTES = 5;

/** What is sent. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * Completes an error that the Connect library made itself, for a request that never reached a handler: too large, or
 * not to be decoded. It is counted, and gets the ErrorInfo that every error has. All other answers stay as they are.
 */
export function amendError(
  calls: Calls,
  rpc: UnaryRpc,
  response: UniversalServerResponse,
  body: Buffer,
): Answer {
  const { status } = response;
  const type = response.header?.get('content-type') ?? '';
  if (type.startsWith('application/grpc-web')) return { status, body: amendGrpcWeb(calls, rpc, body) };
  const isConnectError = status !== 200 && type === 'application/json';
  return isConnectError ? amendConnect(calls, rpc, status, body) : { status, body };
}

/** The same for the body of a stream: what never reached a handler begins with its end. */
export async function* amendStream(
  calls: Calls,
  rpc: RpcKey,
  { header, body }: UniversalServerResponse,
): AsyncGenerator<Uint8Array> {
  const amend = header?.get('content-type')?.startsWith('application/grpc-web') ? amendGrpcWeb : amendEnd;
  let isFirst = true;
  for await (const frame of body ?? []) {
    yield isFirst ? amend(calls, rpc, Buffer.from(frame)) : frame;
    isFirst = false;
  }
}

interface ConnectFailure {
  readonly code: string;
  readonly message?: string;
  readonly details?: unknown;
}

function amendEnd(calls: Calls, rpc: RpcKey, frame: Buffer): Buffer {
  if (frame[0] !== END_STREAM_FLAG) return frame;
  const end = JSON.parse(frame.toString('utf8', FRAME_HEADER_BYTES)) as { error?: ConnectFailure };
  const error = end.error && libraryFailure(calls, rpc, end.error);
  if (error === undefined) return frame;
  return toFrame(END_STREAM_FLAG, JSON.stringify({ ...end, error: connectFailure(error) }));
}

function amendConnect(calls: Calls, rpc: UnaryRpc, httpStatus: number, body: Buffer): Answer {
  const error = libraryFailure(calls, rpc, JSON.parse(body.toString()) as ConnectFailure);
  if (error === undefined) return { status: httpStatus, body };
  const status = error.reason === 'MALFORMED_MESSAGE' ? 400 : httpStatus;
  return { status, body: Buffer.from(JSON.stringify(connectFailure(error))) };
}

/** What the library meant; undefined where the error is ours, and complete. */
function libraryFailure(calls: Calls, rpc: RpcKey, failure: ConnectFailure): InventoryError | undefined {
  const { code, message, details } = failure;
  if (details !== undefined) return undefined;
  return calls.refuse(rpc, 'CONNECT', libraryError(rpc, code.toUpperCase(), message));
}

const connectFailure = (error: InventoryError): ConnectFailure => ({
  code: ERROR_TABLE[error.reason].code.toLowerCase(),
  message: wireMessage(error),
  details: [errorInfoAsConnectJson(error)],
});

function toFrame(flag: number, content: string): Buffer {
  const frame = Buffer.from(`${'\0'.repeat(FRAME_HEADER_BYTES)}${content}`);
  frame[0] = flag;
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, 1);
  return frame;
}

function amendGrpcWeb(calls: Calls, rpc: RpcKey, body: Buffer): Buffer {
  // An answer that begins with its trailers has no message in it.
  if (body[0] !== TRAILER_FLAG) return body;
  const trailers = new Map(
    body
      .toString('utf8', FRAME_HEADER_BYTES)
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const code = Number(trailers.get('grpc-status'));
  if (code === 0 || trailers.has(STATUS_DETAILS_KEY)) return body;
  const message = decodeURIComponent(trailers.get('grpc-message') ?? '');
  const error = calls.refuse(rpc, 'CONNECT', libraryError(rpc, status[code], message));
  const text = [
    `grpc-status: ${status[ERROR_TABLE[error.reason].code]}`,
    `grpc-message: ${encodeURIComponent(wireMessage(error))}`,
    `${STATUS_DETAILS_KEY}: ${statusBytes(error).toString('base64').replace(/=+$/, '')}`,
    '',
  ].join('\r\n');
  return toFrame(TRAILER_FLAG, text);
}

/** How the library's messages about bytes that it cannot decode begin; it calls some of them internal errors. */
const UNDECODABLE = ['parse binary', 'received compressed envelope', 'decompression failed'];

/** What the library means by the code of an error that it made itself. */
function libraryError(rpc: RpcKey, code: string | undefined, message = ''): unknown {
  const malformed = () => malformedMessage(`The ${RPC_NAMES[rpc]} request`, message);
  if (UNDECODABLE.some((start) => message.startsWith(start))) return malformed();
  switch (code) {
    case 'RESOURCE_EXHAUSTED':
      return messageTooLarge();
    case 'INVALID_ARGUMENT':
      return malformed();
    case 'UNIMPLEMENTED':
      return new InventoryError('UNIMPLEMENTED', message);
    default:
      return new Error(`Connect answered ${code}: ${message}`);
  }
}
