import { once } from 'node:events';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { BatchMode } from './gen/inventory/v1/inventory.js';
import type { SyncRequest } from './gen/inventory/v1/inventory_service.js';
import { type StoreLog, toOperation } from './store-log.js';

/** Messages that may be under way at once, without an acknowledgement. */
const WINDOW = 16n;

/** Sends the messages of a log through one stream, as far as the window and the service's flow control let it. */
export class SyncSender {
  readonly #ended = new AbortController();
  #acknowledged = 0n;
  #goOn: () => void = () => undefined;
  /** The last message that there was when the log had no more for the first time. */
  #firstEnd: bigint | undefined;
  #tellSent: () => void = () => undefined;
  /** Resolves once all that the log had, until it had no more for the first time, is acknowledged. */
  readonly allSent = new Promise<void>((resolve) => {
    this.#tellSent = resolve;
  });
  /** Why it stopped, where the log itself failed. */
  failure: unknown;

  constructor(
    private readonly stream: ClientDuplexStream<SyncRequest, unknown>,
    private readonly storeId: string,
    private readonly log: StoreLog,
  ) {}

  /** The first message: which log it is, and from where on changes are wanted. @param epoch 0 asks for a new one */
  hello(epoch: bigint, changeCursor: string): void {
    this.#write({ epoch, sequence: 0n, operations: [], changeCursor });
  }

  /** Sends what comes after `acknowledged`, until the stream ends. */
  start(acknowledged: bigint): void {
    this.#acknowledged = acknowledged;
    this.#run(acknowledged + 1n).catch((error: unknown) => {
      this.failure = error;
      this.stream.cancel();
    });
  }

  acknowledged(sequence: bigint): void {
    this.#acknowledged = sequence;
    this.#goOn();
    this.#checkSent();
  }

  end(): void {
    this.#ended.abort();
    this.#goOn();
  }

  async #run(first: bigint): Promise<void> {
    const { signal } = this.#ended;
    for (let sequence = first; !signal.aborted; sequence++) {
      await this.#room(sequence);
      const operations = await this.#next(sequence);
      if (signal.aborted || operations === undefined) return;
      const message = {
        epoch: this.log.epoch,
        sequence,
        operations: operations.map(toOperation),
        changeCursor: '',
      };
      if (!this.#write(message)) await once(this.stream, 'drain', { signal }).catch(() => undefined);
    }
  }

  async #room(sequence: bigint): Promise<void> {
    while (!this.#ended.signal.aborted && sequence - this.#acknowledged > WINDOW) {
      await new Promise<void>((resolve) => {
        this.#goOn = resolve;
      });
    }
  }

  async #next(sequence: bigint) {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const operations = await this.log.message(sequence);
      if (operations !== undefined) return operations;
      this.#firstEnd ??= sequence - 1n;
      this.#checkSent();
      await this.log.more(signal);
    }
    return undefined;
  }

  #checkSent(): void {
    if (this.#firstEnd !== undefined && this.#acknowledged >= this.#firstEnd) this.#tellSent();
  }

  /** @returns whether more may be written at once. */
  #write(message: Omit<SyncRequest, 'storeId' | 'mode'>): boolean {
    return this.stream.write({ ...message, storeId: this.storeId, mode: BatchMode.INDEPENDENT });
  }
}
