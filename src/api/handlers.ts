import type { Command } from '../domain/types.js';
import { quantityOf } from '../domain/types.js';
import type { Watches } from '../feed/watch.js';
import { EventStatus } from '../gen/grpc/inventory/v1/inventory.js';
import type {
  ApplyRequest,
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
  SyncRequest,
  WatchRequest,
  WatchResponse,
} from '../gen/grpc/inventory/v1/inventory_service.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ReadPath } from '../reads/read-path.js';
import type { SyncStreams } from '../sync/sync-streams.js';
import { stockAfter, toEvent, toFreshness, toGetResponse, toStock, toWatchResponse } from './messages.js';
import { accepted, nameOf, toOperationResult } from './outcomes.js';
import { eventTokens, listTokens } from './page-token.js';
import type { CallContext, Handlers, Incoming, StreamHandlers } from './rpcs.js';
import { commandsOf, encodeSyncItem } from './sync-messages.js';
import {
  validateBatchGet,
  validateGet,
  validateList,
  validateListEvents,
  validateMovement,
} from './validate.js';
import { validateApply } from './validate-apply.js';
import { SyncSource } from './validate-sync.js';
import { validateWatch } from './validate-watch.js';

export interface HandlerOptions {
  readonly ledger: Ledger;
  readonly reads: ReadPath;
  readonly watches: Watches;
  readonly syncs: SyncStreams;
  /** Told what became of each command: applied, refused, replayed, stock_not_found, event_id_reused. */
  readonly commandDecided: (type: string, outcome: string) => void;
}

/** Every RPC, free of transports: the same methods serve gRPC, Connect and REST. */
export class InventoryHandlers implements Handlers, StreamHandlers {
  constructor(private readonly options: HandlerOptions) {}

  get(request: GetRequest, { deadlineMs }: CallContext): GetResponse | Promise<GetResponse> {
    const { key, minVersion, strong } = validateGet(request);
    const answer = this.options.reads.get(key, minVersion, { strong, deadlineMs });
    return answer instanceof Promise ? answer.then(toGetResponse) : toGetResponse(answer);
  }

  async batchGet(request: BatchGetRequest, { deadlineMs }: CallContext): Promise<BatchGetResponse> {
    const { keys, strong } = validateBatchGet(request);
    const answer = await this.options.reads.batchGet(keys, { strong, deadlineMs });
    return { ...toFreshness(answer), stocks: answer.stocks.map(toStock), missing: answer.missing };
  }

  async list(request: ListRequest, { deadlineMs }: CallContext): Promise<ListResponse> {
    const { filter, page, strong } = validateList(request);
    const answer = await this.options.reads.database.list(filter, page, { strong, deadlineMs });
    const nextPageToken = listTokens.encode(answer.next, filter);
    return { ...toFreshness(answer), stocks: answer.stocks.map(toStock), nextPageToken };
  }

  async listEvents(request: ListEventsRequest, { deadlineMs }: CallContext): Promise<ListEventsResponse> {
    const { filter, page, strong } = validateListEvents(request);
    const answer = await this.options.reads.database.listEvents(filter, page, { strong, deadlineMs });
    const nextPageToken = eventTokens.encode(answer.next, filter);
    return { ...toFreshness(answer), events: answer.events.map(toEvent), nextPageToken };
  }

  async sell(request: SellRequest, context: CallContext): Promise<SellResponse> {
    return await this.#move(validateMovement(request, 'SALE', context), context);
  }

  async restock(request: RestockRequest, context: CallContext): Promise<RestockResponse> {
    return await this.#move(validateMovement(request, 'RESTOCK', context), context);
  }

  async apply(request: ApplyRequest, context: CallContext): Promise<ApplyResponse> {
    const batch = validateApply(request, context);
    context.eventIds = batch.commands.map((command) => command.eventId);
    const outcomes = await this.options.ledger.submitBatch(batch, context.deadlineMs);
    const results = batch.commands.map((command, index) => {
      const outcome = outcomes[index]!;
      this.options.commandDecided(command.type, nameOf(outcome));
      return toOperationResult(command, outcome);
    });
    const successCount = results.filter(({ status }) => status === EventStatus.SUCCESS).length;
    return { results, successCount, failureCount: results.length - successCount };
  }

  sync(requests: Incoming<SyncRequest>, signal: AbortSignal): AsyncGenerator<Buffer> {
    const source = new SyncSource(requests, { actor: 'anonymous', origin: 'SYNC' });
    return this.options.syncs.stream(source, signal, (item) => {
      if (item.kind === 'ACK') {
        for (const [command, outcome] of commandsOf(item))
          this.options.commandDecided(command.type, nameOf(outcome));
      }
      return encodeSyncItem(item, source.cursors);
    });
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const { filter, cursor, cursors } = validateWatch(request);
    for await (const batch of this.options.watches.stream(filter, cursor, signal)) {
      const message = toWatchResponse(batch, cursors);
      yield message;
      // It has been sent; the engine may keep it with the suspended generators, so that it had better be small.
      message.stocks = [];
      message.changes = [];
    }
  }

  async #move(command: Command, context: CallContext): Promise<SellResponse> {
    context.eventIds = [command.eventId];
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
