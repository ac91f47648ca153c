import { randomUUID } from 'node:crypto';
import { OperationType } from '../../src/gen/grpc/inventory/v1/inventory.js';
import type { SyncRequest } from '../../src/gen/grpc/inventory/v1/inventory_service.js';

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
