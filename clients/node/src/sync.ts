import { Backoff, type BackoffOptions, pauseUnless } from './backoff.js';
import type { Channels } from './channels.js';
import { Consistency } from './gen/inventory/v1/inventory.js';
import {
  InventoryServiceService,
  type ListResponse,
  type SyncAck,
  type SyncChange,
  type SyncResponse,
} from './gen/inventory/v1/inventory_service.js';
import { OnhandError } from './onhand-error.js';
import type { List } from './requests.js';
import type { StoreLog } from './store-log.js';
import { isTransient, messagesOf } from './stream-messages.js';
import { SyncSender } from './sync-sender.js';
import type { SyncUpdate } from './sync-updates.js';

/** Which store, what it did, and up to where it knows what others did in it. */
export interface Sync {
  readonly storeId: string;
  readonly log: StoreLog;
  /** The newest `cursor` of an earlier sync; empty: begins with a snapshot of the store's stocks. */
  readonly changeCursor?: string;
}

export interface SyncOptions {
  /** Ends the sync; the iterator then ends. What was not acknowledged is sent by the next one. */
  readonly signal?: AbortSignal;
  /** A stream without any message for so long is dead, in milliseconds; the service sends one every 15 s. Default 40,000. */
  readonly silenceMs?: number;
}

/** What a sync needs of the client. */
export interface SyncParts {
  readonly channels: Channels;
  /** Reads the store's stocks, for a snapshot. */
  readonly list: (wanted: List, signal: AbortSignal) => AsyncIterable<ListResponse>;
  readonly backoff: BackoffOptions | undefined;
}

const SILENCE_MS = 40_000;
const SNAPSHOT_PAGE = 500;
/** Superseded so often in this time, and there is another sync of the same store. */
const RIVAL_TAKEOVERS = 3;
const RIVAL_WINDOW_MS = 60_000;
const RIVAL_PAUSE_MS = 1_000;

/** One store's sync, over as many streams as it takes. */
export class Syncing {
  readonly #backoff: Backoff;
  readonly #signal: AbortSignal;
  readonly #silenceMs: number;
  #cursor: string;
  #wantsNewEpoch: boolean;
  /** All that was numbered anew is acknowledged. */
  #allSentAgain = false;
  /** When newer streams took over of late. */
  #supersededMs: readonly number[] = [];

  constructor(
    private readonly parts: SyncParts,
    private readonly wanted: Sync,
    { signal, silenceMs = SILENCE_MS }: SyncOptions,
  ) {
    this.#backoff = new Backoff(parts.backoff);
    this.#signal = signal ?? new AbortController().signal;
    this.#silenceMs = silenceMs;
    this.#cursor = wanted.changeCursor ?? '';
    this.#wantsNewEpoch = wanted.log.epoch === 0n;
  }

  /**
   * Ends when the signal is aborted or the caller leaves the loop.
   *
   * @throws OnhandError what another try cannot help: STREAM_SUPERSEDED, where newer streams of this store take over again and
   *   again
   */
  async *updates(): AsyncGenerator<SyncUpdate, void, undefined> {
    while (!this.#signal.aborted) {
      try {
        yield* this.#oneStream();
      } catch (error) {
        if (this.#signal.aborted) return;
        if (!(error instanceof OnhandError)) throw error;
        yield* this.#goOn(error);
        const atLeastMs = error.reason === 'STREAM_SUPERSEDED' ? RIVAL_PAUSE_MS : error.retryDelayMs;
        await pauseUnless(this.#signal, this.#backoff.next(atLeastMs));
      }
    }
  }

  /** Ends without an error where the next one has to ask for a new epoch, or has to begin with a snapshot. */
  async *#oneStream(): AsyncGenerator<SyncUpdate, void, undefined> {
    const { storeId, log } = this.wanted;
    const stream = this.parts.channels.openStream(InventoryServiceService.sync);
    const sender = new SyncSender(stream, storeId, log);
    const sentAgain = new AbortController();
    const signal = AbortSignal.any([this.#signal, sentAgain.signal]);
    const messages = messagesOf(stream, { signal, silenceMs: this.#silenceMs });
    try {
      if (this.#wantsNewEpoch) this.#cursor = '';
      sender.hello(this.#wantsNewEpoch ? 0n : log.epoch, this.#cursor);
      const hello = await firstAck(messages);
      if (hello === undefined) return;
      yield* this.#greeted(hello);
      if (this.#wantsNewEpoch) return;
      // Of what the store was not told it hears by sending it again.
      const sent = lesserOf(hello.ackedSequence, log.firstSequence - 1n);
      const again = this.#cursor === '' && (await this.#sendsAgain(sent + 1n));
      if (again) {
        void sender.allSent.then(() => {
          this.#allSentAgain = true;
          sentAgain.abort();
        });
      } else if (this.#cursor === '') yield* this.#snapshot(messages, hello.ackedSequence);
      sender.start(sent);
      for await (const message of messages)
        yield* this.#take(again ? { ...message, change: undefined } : message, sender);
    } catch (error) {
      throw sender.failure ?? error;
    } finally {
      sender.end();
      stream.cancel();
      await messages.return();
    }
  }

  /**
   * Whether what is sent from here on may be in the service already: in an epoch that is not the first one. Then nobody can
   * tell which operations a stock includes, until all of it is acknowledged: the next stream begins with a snapshot.
   */
  async #sendsAgain(sequence: bigint): Promise<boolean> {
    const { log } = this.wanted;
    if (log.epoch <= 1n || this.#allSentAgain) return false;
    return (await log.message(sequence)) !== undefined;
  }

  /** What the answer to the hello says about the log. */
  async *#greeted({ epoch, ackedSequence }: SyncAck): AsyncGenerator<SyncUpdate, void, undefined> {
    const { log } = this.wanted;
    if (this.#wantsNewEpoch) {
      await log.begin(epoch);
      this.#wantsNewEpoch = false;
      this.#allSentAgain = false;
      yield { kind: 'epoch', epoch };
    }
    // The service has more than the store gave out: the store was restored. It has less than the store may have forgotten:
    // the service was.
    const storeWasRestored = ackedSequence > log.lastSequence;
    const serviceWasRestored = ackedSequence + 1n < log.firstSequence;
    if (storeWasRestored || serviceWasRestored) this.#wantsNewEpoch = true;
    else yield { kind: 'acknowledged', epoch, sequence: log.firstSequence - 1n, results: [] };
  }

  /**
   * The store's stocks, read after the place from which on changes come, and before anything is sent: so they include exactly
   * what the hello found.
   */
  async *#snapshot(
    messages: AsyncGenerator<SyncResponse, void, undefined>,
    includedSequence: bigint,
  ): AsyncGenerator<SyncUpdate, void, undefined> {
    const { storeId } = this.wanted;
    const changes = await changesUntilCursor(messages);
    const cursor = changes.at(-1)?.changeCursor ?? '';
    const wanted = { storeId, pageSize: SNAPSHOT_PAGE, consistency: Consistency.STRONG };
    for await (const { stocks } of this.parts.list(wanted, this.#signal))
      yield { kind: 'snapshot', stocks, includedSequence, complete: false, cursor: '' };
    yield { kind: 'snapshot', stocks: [], includedSequence, complete: true, cursor };
    this.#cursor = cursor;
  }

  async *#take(
    { ack, change, heartbeat }: SyncResponse,
    sender: SyncSender,
  ): AsyncGenerator<SyncUpdate, void, undefined> {
    // A change alone says nothing about what the service makes of the log.
    if (ack !== undefined || heartbeat !== undefined) this.#backoff.reset();
    if (ack !== undefined) {
      const { epoch, ackedSequence: sequence, results } = ack;
      yield { kind: 'acknowledged', epoch, sequence, results };
      // Whoever is told has written it down, and the log has its room.
      sender.acknowledged(sequence);
    }
    if (change !== undefined) {
      const { stocks, includedSequence, changeCursor: cursor } = change;
      yield { kind: 'changes', stocks, includedSequence, cursor };
      if (cursor !== '') this.#cursor = cursor;
    }
    if (heartbeat !== undefined) yield { kind: 'current', watermark: heartbeat.watermark };
  }

  async *#goOn(error: OnhandError): AsyncGenerator<SyncUpdate, void, undefined> {
    const refusesCursor = error.violations.some(({ field }) => field === 'changeCursor');
    if (error.reason === 'RESYNC' || (refusesCursor && this.#cursor !== '')) {
      this.#cursor = '';
      yield { kind: 'resync', error };
    } else if (NEEDS_NEW_EPOCH.includes(error.reason)) {
      this.#wantsNewEpoch = true;
      yield { kind: 'interrupted', error };
    } else if (error.reason === 'SEQUENCE_GAP' || isTransient(error) || this.#mayBeOurs(error))
      yield { kind: 'interrupted', error };
    else throw error;
  }

  /** Whether the stream that took over may be an earlier one of this sync, of which the service heard late. */
  #mayBeOurs({ reason }: OnhandError): boolean {
    if (reason !== 'STREAM_SUPERSEDED') return false;
    const nowMs = performance.now();
    this.#supersededMs = [...this.#supersededMs.filter((atMs) => nowMs - atMs < RIVAL_WINDOW_MS), nowMs];
    return this.#supersededMs.length < RIVAL_TAKEOVERS;
  }
}

/** The log stands no longer where the service thinks: it is numbered anew, and sent again; event ids keep it once. */
const NEEDS_NEW_EPOCH: readonly OnhandError['reason'][] = ['EPOCH_SUPERSEDED', 'LOG_FORKED'];

const lesserOf = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** The answer to the hello; undefined where the sync was ended before. */
async function firstAck(
  messages: AsyncGenerator<SyncResponse, void, undefined>,
): Promise<SyncAck | undefined> {
  for (;;) {
    const { done, value } = await messages.next();
    if (done) return undefined;
    if (value.ack !== undefined) return value.ack;
  }
}

async function changesUntilCursor(
  messages: AsyncGenerator<SyncResponse, void, undefined>,
): Promise<SyncChange[]> {
  const changes: SyncChange[] = [];
  for (;;) {
    const { done, value } = await messages.next();
    if (done) return changes;
    if (value.change === undefined) continue;
    changes.push(value.change);
    if (value.change.changeCursor !== '') return changes;
  }
}
