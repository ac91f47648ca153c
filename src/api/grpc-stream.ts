import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { InventoryError } from '../domain/errors.js';
import { toGrpcError } from './error-details.js';

type Call<Response> = ServerWritableStream<Buffer, Response> | ServerDuplexStream<Buffer, Response>;

/**
 * Sends a stream of messages, each once the one before is on its way: so no more of them wait here than one, however slowly
 * they are read. Never throws.
 *
 * @param patienceMs who has not read a message by then is cut off.
 */
export async function sendStream<Response>(
  call: Call<Response>,
  open: (signal: AbortSignal) => AsyncGenerator<Response>,
  patienceMs?: number,
): Promise<void> {
  const leaving = new AbortController();
  let goOn: () => void = () => undefined;
  call.on('cancelled', () => {
    leaving.abort();
    goOn();
  });
  const messages = open(leaving.signal);
  let unread = false;
  const cutOff = () => {
    unread = true;
    reset(call);
  };
  // A function of its own, so that nothing keeps a message while the next one is waited for.
  const sendNext = async (): Promise<boolean> => {
    const { value, done } = await messages.next();
    if (done === true) return false;
    const timer = patienceMs === undefined ? undefined : setTimeout(cutOff, patienceMs);
    await new Promise<void>((resolve) => {
      goOn = resolve;
      call.write(value, () => resolve());
    });
    clearTimeout(timer);
    return !call.cancelled;
  };
  try {
    while (await sendNext());
    if (unread)
      await messages.throw(new InventoryError('DEADLINE_EXCEEDED', 'The answers were not read in time'));
    else if (call.cancelled) await messages.return(undefined);
    else call.end();
  } catch (error) {
    if (!call.cancelled) call.emit('error', toGrpcError(error as InventoryError));
  }
}

/** Ends a call at once. Its status would wait behind what is not read; grpc-js has no other way. */
function reset<Response>(call: Call<Response>): void {
  const { stream } = (call as unknown as { call: { stream: ServerHttp2Stream } }).call;
  stream.close(constants.NGHTTP2_CANCEL);
}
