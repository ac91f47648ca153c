import { EventEmitter, once } from 'node:events';
import {
  type LoggedOperation,
  type Onhand,
  type OperationResult,
  OperationType,
  type Stock,
  type StoreLog,
  type SyncUpdate,
  toTimestamp,
} from '@onhand/client';
import { v7 as newEventId } from 'uuid';
import { LogFile } from './log-file.js';
import type { LogRecord, StoreOperation, ToldStock } from './log-records.js';
import { StoreState } from './store-state.js';

/** The most operations of one message. */
const MESSAGE_OPERATIONS = 500;

/** What a store does, before it is written down. */
export type Deed = Pick<StoreOperation, 'productId' | 'type' | 'quantity'>;

/** A store that sells with or without a line to the service: its file is all that it knows. */
export class SimulatedStore implements StoreLog {
  readonly #changed = new EventEmitter();
  /** The parts of a snapshot that has begun. */
  #snapshot: readonly ToldStock[] = [];
  #numbered: Promise<void> = Promise.resolve();
  /** Acknowledged since this process started. */
  acknowledged = 0;
  connected = false;
  interruptions = 0;

  private constructor(
    readonly storeId: string,
    private readonly file: LogFile,
    readonly state: StoreState,
  ) {}

  static async open(storeId: string, path: string): Promise<SimulatedStore> {
    const { file, records } = await LogFile.open(path);
    const state = new StoreState();
    for (const record of records) state.apply(record);
    return new SimulatedStore(storeId, file, state);
  }

  /** Sells, takes back, or gets a delivery. It has happened once this resolves, and can no longer be lost. */
  async does(...deeds: readonly Deed[]): Promise<void> {
    const atMs = Date.now();
    await this.#write(
      ...deeds.map((deed): LogRecord => {
        return { kind: 'operation', operation: { ...deed, eventId: newEventId(), atMs } };
      }),
    );
    this.#changed.emit('operation');
  }

  /** Syncs until the signal is aborted. */
  async sync(onhand: Onhand, signal: AbortSignal): Promise<void> {
    const sync = { storeId: this.storeId, log: this, changeCursor: this.state.cursor };
    for await (const update of onhand.sync(sync, { signal })) {
      await this.#take(update);
      this.#changed.emit('update', update);
    }
    this.connected = false;
  }

  /** Told of each update, once the store has written it down. */
  onUpdate(listener: (update: SyncUpdate) => void): void {
    this.#changed.on('update', listener);
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  get epoch(): bigint {
    return BigInt(this.state.epoch);
  }

  get lastSequence(): bigint {
    return BigInt(this.state.lastSequence);
  }

  get firstSequence(): bigint {
    return BigInt(this.state.firstSequence);
  }

  begin(epoch: bigint): Promise<void> {
    return this.#numbering(() => this.#write({ kind: 'epoch', epoch: Number(epoch) }));
  }

  async message(sequence: bigint): Promise<readonly LoggedOperation[] | undefined> {
    await this.#numbering(async () => {
      const { waiting, lastSequence } = this.state;
      if (sequence <= lastSequence || waiting === 0) return;
      // On the disk before it goes out: after a crash the same number stands for the same operations.
      const count = Math.min(waiting, MESSAGE_OPERATIONS);
      await this.#write({ kind: 'message', sequence: lastSequence + 1, count });
    });
    return this.state.message(Number(sequence))?.map(toLogged);
  }

  /** One after the other: the stream before may not be done with its last number. */
  #numbering(act: () => Promise<void>): Promise<void> {
    this.#numbered = this.#numbered.then(act);
    return this.#numbered;
  }

  async more(signal: AbortSignal): Promise<void> {
    if (this.state.waiting > 0) return;
    await once(this.#changed, 'operation', { signal }).catch(() => undefined);
  }

  async #take(update: SyncUpdate): Promise<void> {
    this.connected = update.kind !== 'interrupted';
    if (update.kind !== 'snapshot') this.#snapshot = [];
    switch (update.kind) {
      case 'acknowledged':
        await this.#acknowledge(Number(update.sequence), update.results);
        break;
      case 'snapshot':
        this.#snapshot = [...this.#snapshot, ...update.stocks.map(toTold)];
        if (update.complete) await this.#told(this.#snapshot, update);
        break;
      case 'changes':
        await this.#told(update.stocks.map(toTold), update);
        break;
      case 'interrupted':
        this.interruptions++;
        break;
      case 'epoch':
      case 'resync':
      case 'current':
        break;
    }
  }

  /** What became of a message may be something else than the store thought: refused, absorbed by a count, a count. */
  async #acknowledge(sequence: number, results: readonly OperationResult[]): Promise<void> {
    this.acknowledged += results.length;
    const newest = new Map(results.flatMap(({ productId, stock }) => (stock ? [[productId, stock]] : [])));
    const stocks = [...newest.values()].map(toTold);
    await this.#write(
      ...(stocks.length === 0
        ? []
        : [{ kind: 'stocks', stocks, includedSequence: sequence, isSnapshot: false } as const]),
      { kind: 'acknowledged', sequence },
    );
  }

  async #told(
    stocks: readonly ToldStock[],
    update: Extract<SyncUpdate, { kind: 'snapshot' | 'changes' }>,
  ): Promise<void> {
    const { kind, cursor, includedSequence } = update;
    const isSnapshot = kind === 'snapshot';
    const told = { kind: 'stocks', stocks, includedSequence: Number(includedSequence), isSnapshot } as const;
    await this.#write(told, ...(cursor === '' ? [] : [{ kind: 'cursor', cursor } as const]));
  }

  async #write(...records: readonly LogRecord[]): Promise<void> {
    await this.file.append(...records);
    for (const record of records) this.state.apply(record);
  }
}

const toTold = ({ productId, quantity, oversold, version }: Stock): ToldStock => ({
  productId,
  net: quantity - oversold,
  version: Number(version),
});

const toLogged = ({ eventId, productId, type, quantity, atMs }: StoreOperation): LoggedOperation => ({
  ...{ eventId, productId, quantity },
  type: OperationType[type],
  occurredTime: toTimestamp(new Date(atMs)),
});
