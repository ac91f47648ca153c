import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { InventoryError } from '../domain/errors.js';
import type { Calls } from './call.js';
import { HTTP_REFUSALS, malformedMessage } from './errors.js';
import { errorBody } from './rest-error.js';

/** What Node's parser refuses: there is no request yet, so the answer is written by hand. */

const REFUSALS: Readonly<Record<string, { name: keyof typeof HTTP_REFUSALS; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    name: 'HEADERS_TOO_LARGE',
    message: 'The headers are larger than 16 KB; send fewer or shorter ones',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    name: 'INCOMPLETE_REQUEST',
    message: 'The request did not come in whole in time',
  },
};

/** Answers in the words of every other error, and closes the connection: what follows cannot be understood. */
export function answerClientError(calls: Calls, problem: NodeJS.ErrnoException, socket: Socket): void {
  if (problem.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { error, status } = refusalOf(problem);
  calls.refuse('unknown', 'REST', error);
  const body = JSON.stringify(errorBody(error, status));
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

/** Exported for its tests: the time after which a request is refused is long. */
export function refusalOf(problem: NodeJS.ErrnoException): { error: InventoryError; status: number } {
  const refusal = REFUSALS[problem.code ?? ''];
  if (refusal === undefined) {
    return { error: malformedMessage('The request', 'it is not valid HTTP', problem), status: 400 };
  }
  const { reason, httpStatus } = HTTP_REFUSALS[refusal.name];
  return { error: new InventoryError(reason, refusal.message, { cause: problem }), status: httpStatus };
}
