import { InventoryError } from '../domain/errors.js';
import type { Command, Outcome, PriorEvent } from '../domain/types.js';
import { quantityOf } from '../domain/types.js';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { Effect, EventStatus, type OperationResult } from '../gen/grpc/inventory/v1/inventory.js';
import { stockAfter } from './messages.js';

/** What became of commands, in the words that callers get. */

type Decided = Extract<Outcome, { kind: 'DECIDED' }>;

/** @throws InventoryError saying why the command did not take effect. */
export function accepted(command: Command, outcome: Outcome): Decided {
  const problem = problemOf(command, outcome);
  if (problem !== undefined) throw problem;
  return outcome as Decided;
}

/** One operation's place in the answer to a batch. */
export function toOperationResult(command: Command, outcome: Outcome): OperationResult {
  const problem = problemOf(command, outcome);
  const event = outcome.kind === 'DECIDED' ? outcome.event : undefined;
  return {
    eventId: command.eventId,
    productId: command.productId,
    status: problem === undefined ? EventStatus.SUCCESS : EventStatus.FAILED,
    effect: Effect[event?.effect ?? 'REFUSED'],
    reason: problem === undefined ? ErrorReason.UNSPECIFIED : ErrorReason[problem.reason],
    message: problem?.message ?? '',
    // At version 0 there is no such stock: the refused batch would have made it.
    stock:
      outcome.kind === 'DECIDED' && outcome.event.version > 0n
        ? stockAfter(outcome.event, outcome.createTimeUs)
        : undefined,
    quantityBefore: event === undefined ? 0 : quantityOf(judgedNetOf(event)),
    replayed: outcome.kind === 'DECIDED' && outcome.replayed,
  };
}

/** What became of a command, as metrics count it. */
export function nameOf(outcome: Outcome): string {
  if (outcome.kind !== 'DECIDED') return outcome.kind.toLowerCase();
  if (outcome.replayed) return 'replayed';
  return outcome.event.status === 'FAILED' ? 'refused' : 'applied';
}

function problemOf(command: Command, outcome: Outcome): InventoryError | undefined {
  const { storeId, productId, eventId } = command;
  switch (outcome.kind) {
    case 'STOCK_NOT_FOUND': {
      const message = `Store ${storeId} has no stock of product ${productId}; a restock makes it`;
      return new InventoryError('STOCK_NOT_FOUND', message);
    }
    case 'EVENT_ID_REUSED': {
      const message = `Event ID ${eventId} stands for another type, product or quantity in this store; make a new one`;
      return new InventoryError('EVENT_ID_REUSED', message, { metadata: { event_id: eventId } });
    }
    case 'NOT_RUN':
      return outcome.error;
    case 'DECIDED':
      return outcome.event.status === 'FAILED' ? refusal(outcome.event, outcome.replayed) : undefined;
  }
}

function refusal(event: PriorEvent, replayed: boolean): InventoryError {
  const available = quantityOf(judgedNetOf(event));
  const requested = Math.abs(event.requestedDelta);
  const metadata = {
    available: String(available),
    requested: String(requested),
    version: String(event.version),
    event_id: event.eventId,
    replayed: String(replayed),
  };
  const reason = event.reason ?? 'INTERNAL';
  return new InventoryError(reason, refusalMessage(reason, available, requested), { metadata });
}

function refusalMessage(reason: InventoryError['reason'], available: number, requested: number): string {
  switch (reason) {
    case 'INSUFFICIENT_STOCK':
      return `Insufficient stock. Available: ${available}, Requested: ${requested}`;
    case 'BATCH_REFUSED':
      return 'Another operation of the batch was refused, so this one was not run; send the corrected batch with new event ids';
    default:
      return `Stock limit exceeded. Available: ${available}, Requested: ${requested}, Limit: 1,000,000,000`;
  }
}

const judgedNetOf = (event: PriorEvent): number => event.judgedNet ?? event.netBefore;
