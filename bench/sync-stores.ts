import { randomUUID } from 'node:crypto';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { credentials, Metadata } from '@grpc/grpc-js';
import { BatchMode, OperationType } from '../src/gen/grpc/inventory/v1/inventory.js';
import { InventoryServiceClient, SyncRequest } from '../src/gen/grpc/inventory/v1/inventory_service.js';
import { PRODUCTS, STORES } from './stocks.js';

/**
 * A child of the benchmark of Sync: stores with a log that was made beforehand, which send it as fast as the service takes
 * it. What it answers is looked at only as far as to know what is durable: a store does that on a machine of its own.
 */

export interface SyncLoad {
  readonly grpcAddress: string;
  readonly stores: number;
  /** Of each store. */
  readonly operations: number;
  readonly messageSize: number;
  /** So that each run is about other stores' logs. */
  readonly firstStore: number;
}

/** What a run came to, sent to the parent once all is acknowledged. */
export interface SyncSample {
  readonly seconds: number;
  readonly acknowledged: number;
}

const { path } = InventoryServiceClient.service.sync;
const asIs = (value: Buffer) => value;

class BenchStore {
  readonly #messages: Buffer[];
  readonly #call;
  #epoch: bigint | undefined;

  constructor(
    client: InventoryServiceClient,
    private readonly storeId: string,
    private readonly load: SyncLoad,
  ) {
    this.#call = client.makeBidiStreamRequest(path, asIs, asIs, new Metadata(), {});
    this.#messages = this.#makeLog();
  }

  /** Says hello, and sends nothing else yet. */
  begin(): Promise<void> {
    this.#call.write(this.#message(0n, 0n, 0));
    return new Promise((resolve, reject) => {
      this.#call.once('error', reject);
      this.#call.once('data', (bytes: Buffer) => {
        this.#epoch = ackIn(bytes)?.epoch;
        resolve();
      });
    });
  }

  /** Resolves once all is acknowledged, to the number of operations. */
  drain(): Promise<number> {
    const last = BigInt(this.#messages.length);
    if (this.#epoch !== 1n)
      throw new Error(`epoch ${this.#epoch} of ${this.storeId}: its log is not the first one`);
    for (const message of this.#messages) this.#call.write(message);
    return new Promise((resolve, reject) => {
      this.#call.on('error', reject);
      this.#call.on('data', (bytes: Buffer) => {
        if (ackIn(bytes)?.sequence !== last) return;
        this.#call.end();
        resolve(this.load.operations);
      });
    });
  }

  #makeLog(): Buffer[] {
    const { operations, messageSize } = this.load;
    return Array.from({ length: Math.ceil(operations / messageSize) }, (_, index) =>
      this.#message(1n, BigInt(index + 1), Math.min(messageSize, operations - index * messageSize)),
    );
  }

  #message(epoch: bigint, sequence: bigint, operations: number): Buffer {
    const seconds = BigInt(Math.floor(Date.now() / 1000) - 3_600);
    const request = {
      ...{ storeId: this.storeId, epoch, sequence, mode: BatchMode.UNSPECIFIED, changeCursor: '' },
      operations: Array.from({ length: operations }, (_, nth) => ({
        ...{ eventId: randomUUID(), productId: anyProduct(), type: OperationType.SALE, quantity: 1 },
        ...{ occurredTime: { seconds, nanos: nth * 1_000 }, reason: '', metadata: {} },
      })),
    };
    return Buffer.from(SyncRequest.encode(request).finish());
  }
}

const anyProduct = () =>
  `${PRODUCTS.prefix}${PRODUCTS.first + Math.floor(Math.random() * (PRODUCTS.last - PRODUCTS.first + 1))}`;

/** The numbers of an acknowledgement; undefined for anything else. */
function ackIn(bytes: Buffer): { epoch: bigint; sequence: bigint } | undefined {
  const reader = new BinaryReader(bytes);
  const [field] = reader.tag();
  if (field !== 1) return undefined;
  const end = reader.uint32() + reader.pos;
  let epoch = 0n;
  let sequence = 0n;
  while (reader.pos < end) {
    const [part, wireType] = reader.tag();
    if (part === 1) epoch = BigInt(reader.int64());
    else if (part === 2) sequence = BigInt(reader.int64());
    else reader.skip(wireType, part);
  }
  return { epoch, sequence };
}

async function main(load: SyncLoad): Promise<void> {
  const client = new InventoryServiceClient(load.grpcAddress, credentials.createInsecure());
  const stores = Array.from(
    { length: load.stores },
    (_, nth) => new BenchStore(client, `${STORES.prefix}${load.firstStore + nth}`, load),
  );
  await Promise.all(stores.map((store) => store.begin()));
  const startedMs = performance.now();
  const acknowledged = await Promise.all(stores.map((store) => store.drain()));
  const sample: SyncSample = {
    seconds: (performance.now() - startedMs) / 1000,
    acknowledged: acknowledged.reduce((sum, count) => sum + count, 0),
  };
  process.send?.(sample);
  client.close();
  process.disconnect?.();
}

await main(JSON.parse(process.argv[2] ?? '{}') as SyncLoad);
