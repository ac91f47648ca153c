import type { StockChange } from '../domain/types.js';

/** For tests: a change of a stock of the store `S`, of which only product, version and actor matter. */
export const changeOf = (productId: string, version: number, actor = 'a'): StockChange => ({
  ...{ storeId: 'S', productId, version: BigInt(version), actor, eventId: '' },
  ...{ type: 'RESTOCK', effect: 'APPLIED', origin: 'GRPC', requestedDelta: 1, appliedDelta: 1, netAfter: 1 },
  ...{ occurredTimeUs: 0, recordedTimeUs: 0, syncEpoch: 0n, syncSequence: 0n },
});
