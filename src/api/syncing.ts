import { randomUUID } from 'node:crypto';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { poll } from '../dev/poll.js';
import { BatchMode, type OperationResult, OperationType } from '../gen/grpc/inventory/v1/inventory.js';
import {
  InventoryServiceClient,
  type SyncAck,
  type SyncChange,
  type SyncHeartbeat,
  SyncRequest,
  type SyncResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import { type Callers, failureOfGrpc, type Result } from './callers.js';

const PATIENCE_MS = 20_000;

const { path, responseDeserialize } = InventoryServiceClient.service.sync;

/** For tests: one stream of a store, read as fast as it comes, and all that it gave. */
export class Syncing {
  readonly acks: SyncAck[] = [];
  readonly changes: SyncChange[] = [];
  readonly heartbeats: SyncHeartbeat[] = [];
  /** How it ended, if not well: code, reason and details. */
  failure: Result | undefined;
  ended = false;
  readonly #call;
  readonly #storeId: string;

  constructor(callers: Callers, storeId: string) {
    this.#storeId = storeId;
    const asIs = (value: Buffer) => value;
    this.#call = callers.grpc.makeBidiStreamRequest(path, asIs, responseDeserialize, new Metadata(), {});
    this.#call.on('data', ({ ack, change, heartbeat }: SyncResponse) => {
      if (ack !== undefined) this.acks.push(ack);
      if (change !== undefined) this.changes.push(change);
      if (heartbeat !== undefined) this.heartbeats.push(heartbeat);
    });
    this.#call.on('error', (error: ServiceError) => {
      this.failure = failureOfGrpc(error);
      this.ended = true;
    });
    this.#call.on('end', () => {
      this.ended = true;
    });
  }

  /** Opens a stream that says hello, and waits for its answer; a new epoch where none is named. */
  static async open(callers: Callers, storeId: string, hello: Partial<SyncRequest> = {}): Promise<Syncing> {
    const syncing = new Syncing(callers, storeId);
    syncing.send(hello);
    await syncing.until(({ acks, ended }) => acks.length > 0 || ended);
    return syncing;
  }

  get epoch(): bigint {
    return this.acks[0]?.epoch ?? 0n;
  }

  get acked(): bigint {
    return this.acks.at(-1)?.ackedSequence ?? -1n;
  }

  get results(): OperationResult[] {
    return this.acks.flatMap(({ results }) => results);
  }

  /** Where to go on with changes. */
  get cursor(): string {
    return this.changes.findLast(({ changeCursor }) => changeCursor !== '')?.changeCursor ?? '';
  }

  send(fields: Partial<SyncRequest>): void {
    const request = {
      ...{ storeId: this.#storeId, epoch: 0n, sequence: 0n, mode: BatchMode.UNSPECIFIED },
      ...{ operations: [], changeCursor: '', ...fields },
    };
    this.sendBytes(Buffer.from(SyncRequest.encode(request).finish()));
  }

  sendBytes(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  /** Sends a message of the log. */
  message(sequence: number, operations: SyncRequest['operations'], more: Partial<SyncRequest> = {}): void {
    this.send({ epoch: this.epoch, sequence: BigInt(sequence), operations, ...more });
  }

  /** Sends a message, and waits for its acknowledgement, or for the end. */
  async acknowledged(
    sequence: number,
    operations: SyncRequest['operations'],
    more: Partial<SyncRequest> = {},
  ): Promise<SyncAck | undefined> {
    const before = this.acks.length;
    this.message(sequence, operations, more);
    await this.until(({ acks, ended }) => acks.length > before || ended);
    return this.acks[before];
  }

  async until(condition: (syncing: this) => boolean): Promise<this> {
    const met = await poll(() => condition(this) || undefined, PATIENCE_MS, 5);
    if (met === undefined) {
      const seen = `${this.acks.length} acknowledgements, ${this.changes.length} changes, ${this.failure?.reason}`;
      throw new Error(`It did not come to pass: ${condition} (${seen})`);
    }
    return this;
  }

  /** Has no more messages, and waits for the end. */
  async finish(): Promise<this> {
    this.#call.end();
    return await this.untilEnd();
  }

  untilEnd(): Promise<this> {
    return this.until(({ ended }) => ended);
  }

  /** Goes away. */
  async cancel(): Promise<void> {
    this.#call.cancel();
    await this.untilEnd();
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }
}

type Operation = SyncRequest['operations'][number];

/** What a store did: with an id of its own, now. */
export const operation = (
  type: keyof typeof OperationType,
  quantity: number | undefined,
  productId = 'P',
  eventId: string = randomUUID(),
): Operation => ({
  ...{ eventId, productId, type: OperationType[type], quantity, reason: '', metadata: {} },
  occurredTime: undefined,
});

export const sale = (quantity: number | undefined, productId?: string, eventId?: string): Operation =>
  operation('SALE', quantity, productId, eventId);
