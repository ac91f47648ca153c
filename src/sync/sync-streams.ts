import { InventoryError } from '../domain/errors.js';
import { problemOfStream, streamLost } from '../domain/store-log.js';
import type { LogCursor } from '../domain/types.js';
import type { Watches } from '../feed/watch.js';
import { Late, within } from '../in-time.js';
import type { Ledger } from '../ledger/ledger.js';
import { newestStreams } from '../postgres/log-statements.js';
import type { Pool } from '../postgres/pool.js';
import { OwnSequences } from './own-sequences.js';
import type { Hello, MessageSource, StoreMessage, SyncItem } from './store-message.js';
import { SyncStream } from './sync-stream.js';
import { turns } from './turns.js';

/** What streams tell about themselves. */
export interface SyncObserver {
  /** A message is durable, or was before. */
  acknowledged(operations: number, replayed: boolean): void;
  superseded(): void;
}

export interface SyncStreamsOptions {
  readonly ledger: Pick<Ledger, 'openLog' | 'submitMessage'>;
  readonly watches: Pick<Watches, 'stream' | 'throwIfClosed'>;
  /** Where it is looked up which stream of a store is the newest; undefined while there is no primary. */
  readonly primary: () => Pool | undefined;
  readonly observer: SyncObserver;
  readonly heartbeatMs?: number;
  readonly helloMs?: number;
}

/** How often a sign of life is sent, and how soon a stream hears of a newer one through another process. */
const HEARTBEAT_MS = 15_000;
/** A stream that has not said hello by then is ended: it would be open for nothing. */
const HELLO_MS = 10_000;
/**
 * Turns of all streams at once: as many as keep the ledger busy, and so few that messages which only wait for others do so here,
 * where no deadline runs.
 */
const TURNS_AT_ONCE = 32;

/** One stream that is served. */
interface Served<T> {
  readonly source: MessageSource;
  readonly signal: AbortSignal;
  readonly encode: (item: SyncItem) => T;
}

/** A stream, whatever it sends. */
type AnyStream = Pick<SyncStream<unknown>, 'log' | 'beat' | 'end' | 'stopTaking'>;

/** The stores' streams of this process: one for each store, the newest. */
export class SyncStreams {
  readonly #streams = new Map<string, AnyStream>();
  readonly #inTurn = turns(TURNS_AT_ONCE);
  readonly #beats: NodeJS.Timeout;
  #draining = false;

  constructor(private readonly options: SyncStreamsOptions) {
    this.#beats = setInterval(() => void this.#beat(), options.heartbeatMs ?? HEARTBEAT_MS);
    this.#beats.unref();
  }

  get open(): number {
    return this.#streams.size;
  }

  /**
   * Serves a store's stream, until the store has no more messages or `signal` is aborted.
   *
   * @param encode makes of what is to be told what is given.
   * @throws InventoryError what the source throws, DEADLINE_EXCEEDED (no hello), EPOCH_SUPERSEDED, SEQUENCE_GAP, LOG_FORKED, STREAM_SUPERSEDED, RESYNC,
   *   QUEUE_FULL, DATABASE_UNAVAILABLE, OUTCOME_UNKNOWN, SHUTTING_DOWN.
   */
  async *stream<T>(
    source: MessageSource,
    signal: AbortSignal,
    encode: (item: SyncItem) => T,
  ): AsyncGenerator<T> {
    const hello = await inTime(source.hello(), this.options.helloMs ?? HELLO_MS);
    if (this.#draining) throw shuttingDown();
    this.options.watches.throwIfClosed();
    const log = await this.options.ledger.openLog(hello.storeId, hello.epoch, signal);
    if (log === undefined || signal.aborted) return;
    yield* this.#serve(hello, log, { source, signal, encode });
  }

  /** Takes no more streams, and no more messages; what was taken is acknowledged. `Watches.drain` then ends the streams. */
  drain(): void {
    this.#draining = true;
    clearInterval(this.#beats);
    for (const stream of this.#streams.values()) stream.stopTaking();
  }

  async *#serve<T>(
    { storeId, changesFrom }: Hello,
    log: LogCursor,
    { source, signal, encode }: Served<T>,
  ): AsyncGenerator<T> {
    const own = new OwnSequences(log.epoch, log.sequence);
    const { ledger } = this.options;
    const options = { encode, ledger, inTurn: this.#inTurn, acknowledged: this.#acknowledged };
    const stream = new SyncStream(options, log, own);
    const leaving = new AbortController();
    const leave = () => {
      stream.leave();
      leaving.abort();
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      this.#register(stream);
      const taking = {
        batchLimit: Number.POSITIVE_INFINITY,
        onAdd: (change: Parameters<OwnSequences['delivered']>[0]) => own.delivered(change),
      };
      const filter = { storeId, productIds: [] };
      yield* stream.run(source, this.options.watches.stream(filter, changesFrom, leaving.signal, taking));
    } finally {
      leave();
      signal.removeEventListener('abort', leave);
      if (this.#streams.get(storeId) === stream) this.#streams.delete(storeId);
    }
  }

  /**
   * @throws InventoryError RESYNC where one with a higher number is here: either that one is newer, or the database was
   *   restored and numbers begin again from an earlier one. The next hello is the newest in both cases.
   */
  #register(stream: AnyStream): void {
    const { storeId, stream: number } = stream.log;
    const other = this.#streams.get(storeId);
    if (other !== undefined && other.log.stream > number) throw streamLost(storeId);
    this.#streams.set(storeId, stream);
    if (other !== undefined) this.#end(other, problemOf(other, number) ?? streamLost(storeId));
  }

  #end(stream: AnyStream, problem: InventoryError): void {
    if (problem.reason === 'STREAM_SUPERSEDED') this.options.observer.superseded();
    void stream.end(problem);
  }

  readonly #acknowledged = ({ operations }: StoreMessage, replayed: boolean): void =>
    this.options.observer.acknowledged(operations.length, replayed);

  async #beat(): Promise<void> {
    const streams = [...this.#streams.values()];
    const newest = await this.#newest(streams);
    for (const stream of streams) {
      const problem = newest && problemOf(stream, newest.get(stream.log.storeId));
      if (problem === undefined) void stream.beat();
      else this.#end(stream, problem);
    }
  }

  /** The newest streams, those of other processes too; undefined where they cannot be read now. */
  async #newest(streams: readonly AnyStream[]): Promise<ReadonlyMap<string, bigint> | undefined> {
    const pool = this.options.primary();
    if (pool === undefined || streams.length === 0) return undefined;
    return await newestStreams(
      pool,
      streams.map(({ log }) => log.storeId),
    ).catch(() => undefined);
  }
}

const problemOf = ({ log }: AnyStream, newest: bigint | undefined): InventoryError | undefined =>
  problemOfStream(log.storeId, log.stream, newest);

async function inTime(hello: Promise<Hello>, timeoutMs: number): Promise<Hello> {
  try {
    return await within(timeoutMs, hello);
  } catch (error) {
    if (!(error instanceof Late)) throw error;
    throw new InventoryError('DEADLINE_EXCEEDED', `No hello came within ${timeoutMs} ms`);
  }
}

const shuttingDown = (): InventoryError =>
  new InventoryError('SHUTTING_DOWN', 'This process is about to stop; say hello to another one', {
    retryDelayMs: 100,
  });
