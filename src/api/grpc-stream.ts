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
  let goOn: () => void = () => undefined;
  call.on('cancelled', () => {
    leaving.abort();
    goOn();
  });
  const messages = open(leaving.signal)[Symbol.asyncIterator]();
  // A function of its own, so that nothing keeps a message while the next one is waited for.
  const sendNext = async (): Promise<boolean> => {
    const { value, done } = await messages.next();
    if (done === true) return false;
    await new Promise<void>((resolve) => {
      goOn = resolve;
      call.write(value, () => resolve());
    });
    return !call.cancelled;
  };
  try {
    while (await sendNext());
    if (call.cancelled) await messages.return?.();
    else call.end();
  } catch (error) {
    if (!call.cancelled) call.emit('error', toGrpcError(error as InventoryError));
  }
}
