import type { LogRecord, StoreOperation, ToldStock } from './log-records.js';

/** A message that was given out, until it is acknowledged and contained in what the service told. */
interface Message {
  readonly sequence: number;
  readonly operations: readonly StoreOperation[];
  acknowledged: boolean;
}

/** The stock after an operation, as the store sees it. */
const after = (net: number, { type, quantity }: StoreOperation): number => {
  if (type === 'COUNT') return quantity;
  return type === 'SALE' ? net - quantity : net + quantity;
};

/** Which state of a stock was told: of one version the one that contains more of the store's messages. */
interface Told {
  readonly version: number;
  readonly includedSequence: number;
}

/**
 * So many of the newest operations are kept though they are acknowledged and told of: a failover of the service's database to
 * a standby that had not received everything may lose them, and then they are sent again.
 */
const KEPT_OPERATIONS = 10_000;

/**
 * What a store knows: what its records come to, applied one after the other, while they are made as after a crash. The rule
 * of its stock: the newest that was told, and its own operations after that.
 */
export class StoreState {
  epoch = 0;
  /** Where to go on with changes; empty where a snapshot is needed. */
  cursor = '';
  lastSequence = 0;
  /** All operations that there ever were. */
  operations = 0;
  readonly #net = new Map<string, number>();
  readonly #told = new Map<string, Told>();
  #messages: Message[] = [];
  #waiting: StoreOperation[] = [];
  #includedSequence = 0;
  #acknowledged = 0;

  constructor(private readonly keptOperations = KEPT_OPERATIONS) {}

  /** The store's own stock of a product. */
  netOf(productId: string): number {
    return this.#net.get(productId) ?? 0;
  }

  /** All products that the store has heard of. */
  get stocks(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#net);
  }

  /** Operations that are not known to be durable in the service. */
  get pending(): number {
    const given = this.#messages.filter(({ acknowledged }) => !acknowledged);
    return this.#waiting.length + given.reduce((sum, { operations }) => sum + operations.length, 0);
  }

  /** When the oldest of them happened. */
  get oldestPendingMs(): number | undefined {
    const given = this.#messages.find(({ acknowledged }) => !acknowledged);
    return (given?.operations ?? this.#waiting)[0]?.atMs;
  }

  /** Operations that are in no message yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  get firstSequence(): number {
    return this.#messages.find(({ acknowledged }) => !acknowledged)?.sequence ?? this.lastSequence + 1;
  }

  message(sequence: number): readonly StoreOperation[] | undefined {
    return this.#messages.find((message) => message.sequence === sequence)?.operations;
  }

  apply(record: LogRecord): void {
    switch (record.kind) {
      case 'operation':
        this.operations++;
        this.#waiting.push(record.operation);
        this.#add(record.operation);
        break;
      case 'message': {
        const operations = this.#waiting.splice(0, record.count);
        this.#messages.push({ sequence: record.sequence, operations, acknowledged: false });
        this.lastSequence = record.sequence;
        break;
      }
      case 'epoch':
        this.#begin(record.epoch);
        break;
      case 'acknowledged':
        this.#acknowledged = Math.max(this.#acknowledged, record.sequence);
        for (const message of this.#messages) message.acknowledged ||= message.sequence <= record.sequence;
        this.#forget();
        break;
      case 'stocks':
        this.#tell(record.stocks, record.includedSequence, record.isSnapshot);
        break;
      case 'cursor':
        this.cursor = record.cursor;
        break;
    }
  }

  /** All that is still there is sent again: a service that was restored may have lost what it had acknowledged. */
  #begin(epoch: number): void {
    this.#waiting = [...this.#messages.flatMap(({ operations }) => operations), ...this.#waiting];
    this.#messages = [];
    for (const [product, { version }] of this.#told)
      this.#told.set(product, { version, includedSequence: 0 });
    this.epoch = epoch;
    this.cursor = '';
    this.lastSequence = 0;
    this.#includedSequence = 0;
    this.#acknowledged = 0;
  }

  /** A snapshot has everything: of what is not in it nothing is known any more but the store's own operations. */
  #tell(stocks: readonly ToldStock[], includedSequence: number, isSnapshot: boolean): void {
    if (isSnapshot) {
      this.#told.clear();
      this.#net.clear();
    }
    const news = stocks.filter(({ productId, version }) =>
      this.#isNew(productId, { version, includedSequence }),
    );
    for (const { productId, net, version } of news) {
      this.#told.set(productId, { version, includedSequence });
      this.#net.set(productId, net);
    }
    const products = new Set(news.map(({ productId }) => productId));
    for (const operation of this.#ownAfter(includedSequence))
      if (isSnapshot || products.has(operation.productId)) this.#add(operation);
    this.#includedSequence = Math.max(this.#includedSequence, includedSequence);
    this.#forget();
  }

  #isNew(productId: string, { version, includedSequence }: Told): boolean {
    const known = this.#told.get(productId) ?? { version: 0, includedSequence: 0 };
    return (
      version > known.version || (version === known.version && includedSequence >= known.includedSequence)
    );
  }

  /** The store's own operations after this message, in their order. */
  #ownAfter(sequence: number): readonly StoreOperation[] {
    const later = this.#messages.filter((message) => message.sequence > sequence);
    return [...later.flatMap(({ operations }) => operations), ...this.#waiting];
  }

  #forget(): void {
    const done = Math.min(this.#acknowledged, this.#includedSequence);
    let kept = 0;
    const oldest = this.#messages.findLastIndex(({ sequence, operations }) => {
      if (sequence <= done) kept += operations.length;
      return kept > this.keptOperations;
    });
    this.#messages.splice(0, oldest + 1);
  }

  #add(operation: StoreOperation): void {
    this.#net.set(operation.productId, after(this.netOf(operation.productId), operation));
  }
}
