import { InventoryError } from '../domain/errors.js';
import type { LogCursor, Outcome } from '../domain/types.js';
import type { Cursor } from '../feed/cursor.js';
import type { WatchBatch } from '../feed/watch.js';
import type { Ledger } from '../ledger/ledger.js';
import { ChangesElsewhere } from './changes-elsewhere.js';
import { Outbox } from './outbox.js';
import type { OwnSequences } from './own-sequences.js';
import {
  isCommand,
  type MessageSource,
  type StocksChanged,
  type StoreMessage,
  type SyncItem,
} from './store-message.js';
import type { InTurn } from './turns.js';

/**
 * What a stream may have taken and not yet acknowledged; then it reads no further. So a store that does not read its
 * acknowledgements is not read either.
 */
const MESSAGES_UNACKNOWLEDGED = 8;
const OPERATIONS_UNACKNOWLEDGED = 2_000;
/** One of them is being done while the next one is ready: as many as keep the ledger busy with one stream. */
const TURNS_AT_ONCE = 2;
/** A message that cannot be made durable within this time, once it is its turn, ends its stream. */
const MESSAGE_DEADLINE_MS = 30_000;

export interface SyncStreamOptions<T> {
  /** Makes of what is to be told what is sent: at once, so that what waits for the store to read is small. */
  readonly encode: (item: SyncItem) => T;
  readonly ledger: Pick<Ledger, 'submitMessage'>;
  /** Lets few enough streams have messages in the ledger at once. */
  readonly inTurn: InTurn;
  /** What was told to the store, for the metrics. */
  readonly acknowledged: (message: StoreMessage, replayed: boolean) => void;
}

/** One store's stream, once it has said hello: its log goes up, changes made elsewhere come down. */
export class SyncStream<T> {
  readonly #outbox = new Outbox<T>();
  readonly #changes: ChangesElsewhere;
  /** Acknowledgements in their order; fails with the first message that cannot be acknowledged. */
  #acks: Promise<void> = Promise.resolve();
  #unacknowledged = { messages: 0, operations: 0 };
  /** Submit what was taken and waits for its turn. */
  #waiting: ((giveWay: () => void) => Promise<unknown>)[] = [];
  #turns = 0;
  /** No more messages are taken. */
  #closing = false;
  #gone = false;
  #goOn: () => void = () => undefined;
  /** The last message that was taken. */
  #taken: bigint;
  #beating = false;
  /** Up to where changes have been sent, and where that was last told. */
  #mark: { cursor: Cursor; watermarkUs: number | undefined } | undefined;
  #toldCursor: Cursor | undefined;
  #includedSequence: bigint;

  /** @param log as the hello found it. */
  constructor(
    private readonly options: SyncStreamOptions<T>,
    readonly log: LogCursor,
    private readonly own: OwnSequences,
  ) {
    this.#changes = new ChangesElsewhere(own);
    this.#taken = log.sequence;
    this.#includedSequence = log.sequence;
  }

  /**
   * Sends what there is to tell, from the acknowledgement of the hello on. Ends once the store has no more messages and all
   * of them are acknowledged.
   *
   * @throws InventoryError why it ends otherwise; what was acknowledged before is durable.
   */
  async *run(source: MessageSource, batches: AsyncIterable<WatchBatch>): AsyncGenerator<T> {
    const { epoch, sequence } = this.log;
    yield this.options.encode({
      ...{ kind: 'ACK', epoch, sequence, operations: [], outcomes: [], replayed: false },
    });
    void this.#takeMessages(source);
    void this.#followChanges(batches);
    try {
      yield* this.#outbox.taken();
    } finally {
      this.leave();
    }
  }

  /** The store has gone: what has not reached the ledger is dropped. */
  leave(): void {
    this.#gone = true;
    this.#closing = true;
    this.#outbox.close();
    this.#goOn();
  }

  /** Takes no more messages; those that were taken are acknowledged. */
  stopTaking(): void {
    this.#closing = true;
    this.#goOn();
  }

  /** Ends once what was taken is settled; the first reason counts. */
  async end(error?: unknown): Promise<void> {
    this.stopTaking();
    // A message that failed is told, whatever else has happened meanwhile.
    const failure = await this.#acks.then(
      () => error,
      (first: unknown) => first,
    );
    this.#outbox.end(failure);
  }

  /** A sign of life is due, and where to go on, if that has changed. Of several that are not read one is kept. */
  async beat(): Promise<void> {
    if (this.#beating) return;
    this.#beating = true;
    const { cursor, watermarkUs } = this.#mark ?? {};
    if (cursor !== undefined && cursor !== this.#toldCursor) {
      this.#toldCursor = cursor;
      const includedSequence = this.#includedSequence;
      void this.#put({ kind: 'CHANGE', changes: [], includedSequence, cursor });
    }
    await this.#put({ kind: 'HEARTBEAT', watermarkUs });
    this.#beating = false;
  }

  async #takeMessages(source: MessageSource): Promise<void> {
    try {
      for (;;) {
        await this.#room();
        if (this.#closing) return;
        const message = await source.next();
        // What comes now is not acknowledged: the store sends it again.
        if (this.#closing) return;
        if (message === undefined) return await this.end();
        this.#take(message);
        // A repeat may turn out to be of another log: nothing behind it must be taken in before that is known.
        if (message.sequence <= this.#taken) await this.#acks;
        else this.#taken = message.sequence;
      }
    } catch (error) {
      await this.end(error);
    }
  }

  async #room(): Promise<void> {
    while (!this.#closing && this.#isFull()) {
      await new Promise<void>((resolve) => {
        this.#goOn = resolve;
      });
    }
  }

  #isFull(): boolean {
    const { messages, operations } = this.#unacknowledged;
    return messages >= MESSAGES_UNACKNOWLEDGED || operations >= OPERATIONS_UNACKNOWLEDGED;
  }

  /** Lets a message into the ledger; its acknowledgement follows those of the messages before it. */
  #take(message: StoreMessage): void {
    const replayed = message.sequence <= this.#taken;
    this.#count(message.operations.length, 1);
    const outcomes = new Promise<readonly Outcome[]>((resolve) => {
      this.#waiting.push((giveWay) => {
        const submitted = this.#submit(message, giveWay);
        resolve(submitted);
        return submitted;
      });
    });
    // Looked at in its turn.
    outcomes.catch(() => undefined);
    void this.#submitWaiting();
    this.#acks = this.#acks.then(async () => {
      await this.#acknowledge(message, await outcomes, replayed);
    });
    this.#acks.catch((error: unknown) => this.end(error));
  }

  /**
   * All that waits in one turn, since the ledger runs it in one transaction; and few turns, so that one stream does not keep
   * them from the others. What cannot go on gives way to them.
   */
  async #submitWaiting(): Promise<void> {
    if (this.#turns === TURNS_AT_ONCE) return;
    this.#turns++;
    while (this.#waiting.length > 0) {
      await this.options.inTurn((giveWay) =>
        Promise.allSettled(this.#waiting.splice(0).map((submit) => submit(giveWay))),
      );
    }
    this.#turns--;
  }

  #submit(
    { epoch, sequence, mode, operations }: StoreMessage,
    giveWay: () => void,
  ): Promise<readonly Outcome[]> {
    if (this.#gone) return Promise.reject(storeGone());
    const commands = operations.filter(isCommand);
    const { storeId, stream } = this.log;
    const message = { storeId, stream, epoch, sequence, incomplete: commands.length < operations.length };
    const deadlineMs = performance.now() + MESSAGE_DEADLINE_MS;
    return this.options.ledger.submitMessage({ commands, mode, message }, deadlineMs, giveWay);
  }

  async #acknowledge(message: StoreMessage, outcomes: readonly Outcome[], replayed: boolean): Promise<void> {
    const { epoch, sequence, operations } = message;
    this.own.committed(sequence);
    this.options.acknowledged(message, replayed);
    const sent = this.#put({ kind: 'ACK', epoch, sequence, operations, outcomes, replayed });
    const { length } = operations;
    void sent.then(() => {
      this.#count(length, -1);
      this.#goOn();
    });
  }

  #put(item: SyncItem): Promise<void> {
    return this.#outbox.put(this.options.encode(item));
  }

  #count(operations: number, by: 1 | -1): void {
    this.#unacknowledged.messages += by;
    this.#unacknowledged.operations += by * operations;
  }

  async #followChanges(batches: AsyncIterable<WatchBatch>): Promise<void> {
    try {
      for await (const batch of batches) {
        await Promise.all(this.#changes.take(batch).map((message) => this.#tell(message)));
        if (batch.mark !== undefined && (batch.phase === 'LIVE' || batch.changes.length === 0))
          this.#mark = batch.mark;
      }
    } catch (error) {
      await this.end(error);
    }
  }

  async #tell(message: StocksChanged): Promise<void> {
    const { cursor, changes, includedSequence } = message;
    this.#includedSequence = includedSequence;
    // Where changes begin is told at once; after that an empty message would tell nothing that is in a hurry.
    if (changes.length === 0 && this.#mark !== undefined) return;
    if (cursor !== undefined) this.#toldCursor = cursor;
    await this.#put(message);
  }
}

/** Seen by nobody. */
const storeGone = (): InventoryError =>
  new InventoryError('DEADLINE_EXCEEDED', 'The store has gone; its message was not looked at');
