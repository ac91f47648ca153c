import { setTimeout as pause } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import type { InventoryClient } from './inventory-client.js';
import type { WatchRequest, WatchResponse } from './messages.js';
import { JOB_RETRIES } from './retries.js';
import { ServiceFailure } from './service-failure.js';

/** Told of what happens between the messages. */
export interface WatchNotes {
  /** The stream broke; it will be opened again until it is there, or until the watch is ended. */
  lost(failure: ServiceFailure): void;
  /** It cannot go on from its cursor: it begins anew, with the stocks as they are. */
  startsAnew(failure: ServiceFailure): void;
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
 * @throws ServiceFailure what another try cannot help; also where the very first cursor is not one to go on from
 */
export async function* followChanges(
  client: InventoryClient,
  wanted: WatchRequest,
  { signal, notes, silenceMs = SILENCE_MS }: FollowOptions,
): AsyncGenerator<WatchResponse> {
  let { cursor } = wanted;
  let delayMs: number = JOB_RETRIES.firstDelayMs;
  let begun = false;
  while (!signal.aborted) {
    let failure = CUT;
    try {
      for await (const message of oneStream(client, { ...wanted, cursor }, signal, silenceMs)) {
        if (message.cursor !== '') cursor = message.cursor;
        delayMs = JOB_RETRIES.firstDelayMs;
        begun = true;
        yield message;
      }
    } catch (error) {
      if (!(error instanceof ServiceFailure)) throw error;
      failure = error;
    }
    if (signal.aborted) return;
    if (refusesCursor(failure) && begun) {
      cursor = '';
      notes.startsAnew(failure);
    } else if (isTransient(failure)) notes.lost(failure);
    else throw failure;
    await pauseUnless(signal, Math.max(delayMs * (0.5 + Math.random() / 2), failure.details.retryDelayMs));
    delayMs = Math.min(delayMs * 2, JOB_RETRIES.maxDelayMs);
  }
}

/** One stream, which ends where it falls silent. */
async function* oneStream(
  client: InventoryClient,
  request: WatchRequest,
  signal: AbortSignal,
  silenceMs: number,
): AsyncGenerator<WatchResponse> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silenceMs);
  try {
    for await (const message of client.stream('Watch', request, AbortSignal.any([signal, silence.signal]))) {
      timer.refresh();
      yield message;
    }
  } finally {
    clearTimeout(timer);
  }
}

const CUT = new ServiceFailure(status.UNAVAILABLE, 'The stream ended');

/** Too old, or given by a service of another version. */
const refusesCursor = ({ details: { reason, violations } }: ServiceFailure): boolean =>
  reason === 'RESYNC' || violations.some(({ field }) => field === 'cursor');

/** Where the service gives no reason, the connection broke: grpc-js has several codes for that. */
const isTransient = ({ code, details: { reason } }: ServiceFailure): boolean =>
  JOB_RETRIES.retryable.some((retryable) => retryable === code) ||
  (reason === '' && (code === status.CANCELLED || code === status.INTERNAL));

async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => undefined);
}
