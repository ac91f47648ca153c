import { type ClientDuplexStream, type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js';
import { OnhandError } from './onhand-error.js';
import { readError } from './read-error.js';

type Incoming<Message> = ClientReadableStream<Message> | ClientDuplexStream<never, Message>;

export interface ReadingOptions {
  /** Ends the stream; nothing is thrown then. */
  readonly signal: AbortSignal;
  /** A stream without any message for so long is dead, in milliseconds. */
  readonly silenceMs: number;
}

/**
 * The messages of one stream, as they are asked for: who reads slowly holds the service up, not this process's memory. The
 * stream is cancelled when the reader leaves.
 *
 * @throws OnhandError when it breaks, falls silent, or is ended by the service
 */
export async function* messagesOf<Message>(
  stream: Incoming<Message>,
  { signal, silenceMs }: ReadingOptions,
): AsyncGenerator<Message, void, undefined> {
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  let silent = false;
  const fallSilent = () => {
    silent = true;
    cancel();
  };
  const iterator: AsyncIterator<Message> = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      // Only waiting counts, not what the reader does between two messages.
      const timer = setTimeout(fallSilent, silenceMs);
      const { done, value } = await iterator.next().finally(() => clearTimeout(timer));
      if (done) throw broken('The service ended the stream');
      yield value;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (silent) throw broken(`There was no sign of life for ${silenceMs / 1_000} s`);
    throw isServiceError(error) ? readError(error) : error;
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

/** Whether the stream may be there again in a moment. A message that is too large will be so again. */
export function isTransient({ code, reason }: OnhandError): boolean {
  if (TRANSIENT.includes(code)) return reason !== 'MESSAGE_TOO_LARGE';
  // Not the service's word: something on the way, or at the other end.
  return reason === 'UNRECOGNIZED' && (code === status.CANCELLED || code === status.INTERNAL);
}

const TRANSIENT: readonly status[] = [
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
];

const broken = (message: string): OnhandError =>
  new OnhandError({ reason: 'UNREACHABLE', code: status.UNAVAILABLE, message });

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && 'details' in error;
