import { Backoff, type BackoffOptions, pauseUnless } from './backoff.js';
import type { Channels } from './channels.js';
import { InventoryServiceService } from './gen/inventory/v1/inventory_service.js';
import { OnhandError } from './onhand-error.js';
import { isTransient, messagesOf } from './stream-messages.js';
import { type WatchUpdate, WatchUpdates } from './watch-updates.js';

/** Which stocks to watch: of a store, of products, or of products in a store. */
export interface Watch {
  readonly storeId?: string;
  readonly productIds?: readonly string[];
  /** Of an earlier update of the same stocks: goes on there instead of beginning with a snapshot. */
  readonly cursor?: string;
}

export interface WatchOptions {
  /** Ends the watch; the iterator then ends. */
  readonly signal?: AbortSignal;
  /** A stream without any message for so long is dead, in milliseconds; the service sends one every 5 s. Default 15,000. */
  readonly silenceMs?: number;
}

const SILENCE_MS = 15_000;

/** One watch, over as many streams as it takes. */
export class Watching {
  readonly #updates = new WatchUpdates();
  readonly #backoff: Backoff;
  readonly #signal: AbortSignal;
  readonly #silenceMs: number;
  #cursor: string;

  constructor(
    private readonly channels: Channels,
    private readonly wanted: Watch,
    { signal, silenceMs = SILENCE_MS }: WatchOptions,
    backoff: BackoffOptions | undefined,
  ) {
    this.#signal = signal ?? new AbortController().signal;
    this.#silenceMs = silenceMs;
    this.#backoff = new Backoff(backoff);
    this.#cursor = wanted.cursor ?? '';
  }

  /** Ends when the signal is aborted or the caller leaves the loop. @throws OnhandError what another try cannot help */
  async *updates(): AsyncGenerator<WatchUpdate, void, undefined> {
    while (!this.#signal.aborted) {
      try {
        yield* this.#oneStream();
      } catch (error) {
        if (!(error instanceof OnhandError)) throw error;
        yield this.#goOn(error);
        await pauseUnless(this.#signal, this.#backoff.next(error.retryDelayMs));
      }
    }
  }

  async *#oneStream(): AsyncGenerator<WatchUpdate, void, undefined> {
    const { storeId = '', productIds = [] } = this.wanted;
    const request = { storeId, productIds: [...productIds], cursor: this.#cursor };
    // A snapshot begins, maybe of a process that has not seen yet what was given last.
    if (this.#cursor === '') this.#updates.forget();
    const stream = this.channels.readStream(InventoryServiceService.watch, request);
    for await (const message of messagesOf(stream, { signal: this.#signal, silenceMs: this.#silenceMs })) {
      if (message.cursor !== '') this.#cursor = message.cursor;
      this.#backoff.reset();
      yield this.#updates.of(message);
    }
  }

  #goOn(error: OnhandError): WatchUpdate {
    if (error.reason === 'RESYNC' || this.#isOfAnotherVersion(error)) {
      this.#cursor = '';
      return { kind: 'resync', error };
    }
    if (isTransient(error)) return { kind: 'interrupted', error };
    throw error;
  }

  /** A cursor that a service gave and another one refuses, after an upgrade say; the caller's own may just be wrong. */
  #isOfAnotherVersion({ violations }: OnhandError): boolean {
    return this.#cursor !== (this.wanted.cursor ?? '') && violations.some(({ field }) => field === 'cursor');
  }
}
