import { OnhandError } from '@onhand/client';
import { Backoff, isTransient, pauseUnless } from '@onhand/client/stubs';
import type { InventoryClient } from './inventory-client.js';
import type { WatchRequest, WatchResponse } from './messages.js';
import { JOB_BACKOFF } from './retries.js';

/** Told of what happens between the messages. */
export interface WatchNotes {
  /** The stream broke; it will be opened again until it is there, or until the watch is ended. */
  lost(failure: OnhandError): void;
  /** It cannot go on from its cursor: it begins anew, with the stocks as they are. */
  startsAnew(failure: OnhandError): void;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly notes: WatchNotes;
  /** A stream that gives no sign of life (there is one every 5 s) for so long is dead. */
  readonly silenceMs?: number | undefined;
}

const SILENCE_MS = 15_000;

/**
 * Follows the changes over as many streams as it takes: each goes on from the newest cursor, so that what happened meanwhile
 * comes, too. A change may come twice. Ends when `signal` is aborted.
 *
 * @throws OnhandError what another try cannot help; also where the very first cursor is not one to go on from
 */
export async function* followChanges(
  client: InventoryClient,
  wanted: WatchRequest,
  { signal, notes, silenceMs = SILENCE_MS }: FollowOptions,
): AsyncGenerator<WatchResponse> {
  let { cursor } = wanted;
  const backoff = new Backoff(JOB_BACKOFF);
  let begun = false;
  while (!signal.aborted) {
    try {
      for await (const message of client.stream('Watch', { ...wanted, cursor }, { signal, silenceMs })) {
        if (message.cursor !== '') cursor = message.cursor;
        backoff.reset();
        begun = true;
        yield message;
      }
    } catch (error) {
      if (!(error instanceof OnhandError)) throw error;
      if (refusesCursor(error) && begun) {
        cursor = '';
        notes.startsAnew(error);
      } else if (isTransient(error)) notes.lost(error);
      else throw error;
      await pauseUnless(signal, backoff.next(error.retryDelayMs));
    }
  }
}

/** Too old, or given by a service of another version. */
const refusesCursor = ({ reason, violations }: OnhandError): boolean =>
  reason === 'RESYNC' || violations.some(({ field }) => field === 'cursor');
