import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { status } from '@grpc/grpc-js';
import { InventoryError } from '../domain/errors.js';
import type { Calls } from './call.js';
import { errorInfoAsConnectJson, STATUS_DETAILS_KEY, statusBytes } from './error-details.js';
import { ERROR_TABLE, malformedMessage, messageTooLarge, wireMessage } from './errors.js';
import type { UnaryRpc } from './rpcs.js';
import { RPC_NAMES } from './rpcs.js';

/** Marks the frame of a gRPC-Web body that holds the trailers. */
const TRAILER_FLAG = 0x80;
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

function amendConnect(calls: Calls, rpc: UnaryRpc, httpStatus: number, body: Buffer): Answer {
  const { code, message, details } = JSON.parse(body.toString()) as {
    code: string;
    message?: string;
    details?: unknown;
  };
  if (details !== undefined) return { status: httpStatus, body };
  const error = calls.refuse(rpc, 'CONNECT', libraryError(rpc, code.toUpperCase(), message));
  const amended = {
    code: ERROR_TABLE[error.reason].code.toLowerCase(),
    message: wireMessage(error),
    details: [errorInfoAsConnectJson(error)],
  };
  const status = error.reason === 'MALFORMED_MESSAGE' ? 400 : httpStatus;
  return { status, body: Buffer.from(JSON.stringify(amended)) };
}

function amendGrpcWeb(calls: Calls, rpc: UnaryRpc, body: Buffer): Buffer {
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
  const frame = Buffer.from(`${'\0'.repeat(FRAME_HEADER_BYTES)}${text}`);
  frame[0] = TRAILER_FLAG;
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, 1);
  return frame;
}

/** How the library's messages about bytes that it cannot decode begin; it calls some of them internal errors. */
const UNDECODABLE = ['parse binary', 'received compressed envelope', 'decompression failed'];

/** What the library means by the code of an error that it made itself. */
function libraryError(rpc: UnaryRpc, code: string | undefined, message = ''): unknown {
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
