import type { MovementCommand } from '../domain/decide.js';
import { InventoryError } from '../domain/errors.js';
import type { Outcome, PriorEvent } from '../domain/types.js';
import { quantityOf } from '../domain/types.js';
import type {
  ApplyResponse,
  BatchGetRequest,
  BatchGetResponse,
  GetRequest,
  GetResponse,
  ListEventsRequest,
  ListEventsResponse,
  ListRequest,
  ListResponse,
  RestockRequest,
  RestockResponse,
  SellRequest,
  SellResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ReadPath } from '../reads/read-path.js';
import { stockAfter, toEvent, toFreshness, toStock } from './messages.js';
import { eventTokens, listTokens } from './page-token.js';
import type { CallContext, Handlers, RpcKey } from './rpcs.js';
import { RPC_NAMES } from './rpcs.js';
import {
  validateBatchGet,
  validateGet,
  validateList,
  validateListEvents,
  validateMovement,
} from './validate.js';

export interface HandlerOptions {
  readonly ledger: Ledger;
  readonly reads: ReadPath;
  /** Told what became of each command: applied, refused, replayed, stock_not_found, event_id_reused. */
  readonly commandDecided: (type: string, outcome: string) => void;
}

/** Every RPC, free of transports: the same methods serve gRPC, Connect and REST. */
export class InventoryHandlers implements Handlers {
  constructor(private readonly options: HandlerOptions) {}

  async get(request: GetRequest, { deadlineMs }: CallContext): Promise<GetResponse> {
    const { key, minVersion, strong } = validateGet(request);
    const answer = await this.options.reads.get(key, minVersion, { strong, deadlineMs });
    return { ...toFreshness(answer), stock: toStock(answer.stock) };
  }

  async batchGet(request: BatchGetRequest, { deadlineMs }: CallContext): Promise<BatchGetResponse> {
    const { keys, strong } = validateBatchGet(request);
    const answer = await this.options.reads.batchGet(keys, { strong, deadlineMs });
    return { ...toFreshness(answer), stocks: answer.stocks.map(toStock), missing: answer.missing };
  }

  async list(request: ListRequest, { deadlineMs }: CallContext): Promise<ListResponse> {
    const { filter, page, strong } = validateList(request);
    const answer = await this.options.reads.list(filter, page, { strong, deadlineMs });
    const nextPageToken = listTokens.encode(answer.next, filter);
    return { ...toFreshness(answer), stocks: answer.stocks.map(toStock), nextPageToken };
  }

  async listEvents(request: ListEventsRequest, { deadlineMs }: CallContext): Promise<ListEventsResponse> {
    const { filter, page, strong } = validateListEvents(request);
    const answer = await this.options.reads.listEvents(filter, page, { strong, deadlineMs });
    const nextPageToken = eventTokens.encode(answer.next, filter);
    return { ...toFreshness(answer), events: answer.events.map(toEvent), nextPageToken };
  }

  async sell(request: SellRequest, context: CallContext): Promise<SellResponse> {
    return await this.#move(validateMovement(request, 'SALE', context), context);
  }

  async restock(request: RestockRequest, context: CallContext): Promise<RestockResponse> {
    return await this.#move(validateMovement(request, 'RESTOCK', context), context);
  }

  async apply(): Promise<ApplyResponse> {
    throw notServedYet('apply');
  }

  async #move(command: MovementCommand, context: CallContext): Promise<SellResponse> {
    context.eventId = command.eventId;
    const outcome = await this.options.ledger.submit(command, context.deadlineMs);
    this.options.commandDecided(command.type, nameOf(outcome));
    const { event, createTimeUs, replayed } = accepted(command, outcome);
    return {
      stock: stockAfter(event, createTimeUs),
      quantityBefore: quantityOf(event.netBefore),
      eventId: event.eventId,
      replayed,
    };
  }
}

type Decided = Extract<Outcome, { kind: 'DECIDED' }>;

/** @throws InventoryError saying why the command did not take effect. */
function accepted(command: MovementCommand, outcome: Outcome): Decided {
  const { storeId, productId, eventId } = command;
  if (outcome.kind === 'STOCK_NOT_FOUND') {
    const message = `Store ${storeId} has no stock of product ${productId}; a restock makes it`;
    throw new InventoryError('STOCK_NOT_FOUND', message);
  }
  if (outcome.kind === 'EVENT_ID_REUSED') {
    const message = `Event ID ${eventId} stands for another type, product or quantity in this store; make a new one`;
    throw new InventoryError('EVENT_ID_REUSED', message, { metadata: { event_id: eventId } });
  }
  if (outcome.event.status === 'FAILED') throw refusal(outcome.event, outcome.replayed);
  return outcome;
}

function refusal(event: PriorEvent, replayed: boolean): InventoryError {
  const available = quantityOf(event.netBefore);
  const requested = Math.abs(event.requestedDelta);
  const metadata = {
    available: String(available),
    requested: String(requested),
    version: String(event.version),
    event_id: event.eventId,
    replayed: String(replayed),
  };
  if (event.reason === 'INSUFFICIENT_STOCK') {
    const message = `Insufficient stock. Available: ${available}, Requested: ${requested}`;
    return new InventoryError('INSUFFICIENT_STOCK', message, { metadata });
  }
  const message = `Stock limit exceeded. Available: ${available}, Requested: ${requested}, Limit: 1,000,000,000`;
  return new InventoryError(event.reason ?? 'INTERNAL', message, { metadata });
}

function nameOf(outcome: Outcome): string {
  if (outcome.kind !== 'DECIDED') return outcome.kind.toLowerCase();
  if (outcome.replayed) return 'replayed';
  return outcome.event.status === 'FAILED' ? 'refused' : 'applied';
}

/** The answer of RPCs that stand in the contract and come with a later version. */
export function notServedYet(rpc: RpcKey): InventoryError {
  return new InventoryError(
    'UNIMPLEMENTED',
    `${RPC_NAMES[rpc]} is not served yet; it comes with a later version`,
  );
}
