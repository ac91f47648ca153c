import type { ServerWritableStream } from '@grpc/grpc-js';
import type { InventoryError } from '../domain/errors.js';
import { toGrpcError } from './error-details.js';

/**
 * Sends a stream of messages, each once the one before is on its way: so no more of them wait here than one, however slowly
 * they are read. Never throws.
 */
export async function sendStream<Response>(
  call: ServerWritableStream<Buffer, Response>,
  open: (signal: AbortSignal) => AsyncIterable<Response>,
): Promise<void> {
  const leaving = new AbortController();
  const gone = new Promise<void>((resolve) => {
    call.on('cancelled', () => {
      leaving.abort();
      resolve();
    });
  });
  try {
    for await (const message of open(leaving.signal)) {
      const sent = new Promise<void>((resolve) => call.write(message, () => resolve()));
      await Promise.race([sent, gone]);
      if (call.cancelled) return;
    }
    call.end();
  } catch (error) {
    if (!call.cancelled) call.emit('error', toGrpcError(error as InventoryError));
  }
}
