import { ERROR_REASONS } from '../domain/errors.js';
import { Effect, EventStatus, OperationType, Origin, Source } from '../gen/grpc/inventory/v1/inventory.js';
import {
  but,
  flag,
  listOf,
  long,
  named,
  nameIn,
  object,
  type Schema,
  text,
  textMap,
  time,
  uuid,
  whole,
} from './json-schemas.js';

/**
 * What REST answers, as JSON schemas: Fastify makes serializers of them, and the OpenAPI document lists them under their
 * names.
 */

const KEY_FIELDS = { storeId: text('The store.'), productId: text('The product.') };

const STOCK_FIELDS = {
  ...KEY_FIELDS,
  quantity: whole('Units on hand.'),
  oversold: whole('Units sold beyond what was on hand, by stores that were offline.'),
  version: long('Counts the changes of this stock: 1, 2, 3 … with no gap.'),
  lastUpdated: time('When the stock last changed, by the clock of the database.'),
};

const FRESHNESS_FIELDS = {
  cached: flag('True where `source` is a cache.'),
  source: nameIn(Source, 'Where it was read.'),
  maxAgeMs: whole('It holds everything committed up to this many milliseconds ago.'),
  stale: flag('True where it may be older than 5 seconds, because nothing fresher can be reached.'),
};

const nextPageToken = text('Asks for the next page, with the same filters; empty on the last page.');
const quantityBefore = whole('Units on hand before.');
const reason = (description: string): Schema => ({ type: 'string', enum: [...ERROR_REASONS], description });

const READS = [
  object('StockKey', 'Names one stock.', KEY_FIELDS),
  object('Stock', 'What one store has of one product.', STOCK_FIELDS),
  object('StockRead', 'A stock, and how fresh it is.', { ...STOCK_FIELDS, ...FRESHNESS_FIELDS }),
  object('StockPage', 'Stocks in the order of store and product, and how fresh they are.', {
    stocks: listOf(named('Stock'), 'The stocks.'),
    nextPageToken,
    ...FRESHNESS_FIELDS,
  }),
  object('StockBatch', 'The stocks that were asked for, and how fresh they are.', {
    stocks: listOf(named('Stock'), 'Those that exist, in the order asked.'),
    missing: listOf(named('StockKey'), 'The keys without a stock.'),
    ...FRESHNESS_FIELDS,
  }),
];

const EVENTS = [
  object(
    'Event',
    'What happened: a command that was decided, accepted or refused. Events never change.',
    {
      ...KEY_FIELDS,
      eventId: uuid('The idempotency key of the command, unique within the store.'),
      type: nameIn(OperationType, 'What was asked.'),
      status: nameIn(EventStatus, 'Whether it was accepted.'),
      effect: nameIn(Effect, 'What it did.'),
      requestedDelta: whole(
        'The change that was asked, negative for SALE and WASTE; for COUNT what was counted.',
      ),
      appliedDelta: whole('The change that was made; 0 for a refused or absorbed command.'),
      quantityBefore,
      oversoldBefore: whole('Units oversold before.'),
      quantityAfter: whole('Units on hand after.'),
      oversoldAfter: whole('Units oversold after.'),
      version: long('The version of the stock after; for a refused command the one that it met.'),
      occurredTime: time('When the caller says it happened.'),
      effectiveTime: time('The time that the rules for counts use.'),
      recordedTime: time('When the database recorded it.'),
      actor: text('Who asked.'),
      origin: nameIn(Origin, 'Which way the command came in.'),
      metadata: textMap('What the caller attached.'),
      operationReason: text('Why, in the words of the caller.'),
      syncEpoch: long('The epoch of the log of the store that it came from; 0 where it came another way.'),
      syncSequence: long('The sequence of the message that it came in; 0 where it came another way.'),
    },
    { reason: reason('Why it was refused.') },
  ),
  object('EventPage', 'A page of history, and how fresh it is.', {
    events: listOf(named('Event'), 'The events.'),
    nextPageToken,
    ...FRESHNESS_FIELDS,
  }),
];

const WATCH = [
  object(
    'WatchEvent',
    'The data of an event; which fields it has follows from the name of the event.',
    {},
    {
      stocks: listOf(named('Stock'), 'snapshot: a part of the stocks as they are.'),
      complete: flag('snapshot: true in the last one.'),
      watermark: time('snapshot, heartbeat: every change committed up to this time has been sent.'),
      ...STOCK_FIELDS,
      eventId: uuid('change: the event that changed the stock.'),
      type: nameIn(OperationType, 'change: what was done.'),
      effect: nameIn(Effect, 'change: how it took effect.'),
      requestedDelta: whole('change: the change that was asked; for COUNT what was counted.'),
      appliedDelta: whole('change: the change that was made.'),
      actor: text('change: who asked.'),
      origin: nameIn(Origin, 'change: which way the command came in.'),
      occurredTime: time('change: when the caller says it happened.'),
      recordedTime: time('change: when the database recorded it.'),
      skippedVersions: long(
        'change: so many versions right before it were left out, since they were not read in time; 0 as a rule.',
      ),
    },
  ),
];

const { storeId, productId, ...COUNTS } = STOCK_FIELDS;

const CHANGES = [
  object('Movement', 'The stock after a sale or restock.', {
    ...STOCK_FIELDS,
    quantityBefore,
    eventId: uuid('The event id, as given (in lower case) or as made by the service.'),
    cached: flag('False: a change is never answered from a cache.'),
  }),
  object(
    'OperationResult',
    'What became of one operation.',
    {
      productId,
      eventId: uuid('The event id of the operation, as given or as made by the service.'),
      status: nameIn(EventStatus, 'Whether it took effect.'),
      effect: nameIn(Effect, 'How it took effect.'),
      replayed: flag('True where this event id was decided earlier and the first outcome is given again.'),
    },
    {
      storeId,
      ...COUNTS,
      quantityBefore,
      reason: reason('Why it was refused.'),
      message: text('The reason in a sentence.'),
    },
  ),
  object('OperationResults', 'What became of a batch.', {
    results: listOf(named('OperationResult'), 'One for each operation, in their order.'),
  }),
  object(
    'ErrorItem',
    'What is wrong with one field, or with one operation of a batch.',
    {
      field: text('By its path, as in `operations[3].delta`; a header by its name.'),
      description: text('What is wrong with it.'),
    },
    {
      reason: reason('Of an operation: why it was refused.'),
      productId: text('Of an operation: its product.'),
      eventId: uuid('Of an operation: its event id.'),
    },
  ),
];

/** The original system's envelope around this data. */
function answer(name: string, description: string, data: string, beside: Schema = {}): Schema {
  return object(name, description, {
    success: flag('True where all was done.'),
    message: text('What was done, in a sentence.'),
    data: named(data),
    ...beside,
    timestamp: time('When it was answered, by the clock of the service.'),
  });
}

const ERROR_FIELDS = {
  success: flag('False.'),
  message: text('What is wrong and what to do, in a sentence.'),
  type: but(text('The reason as a URI.'), { format: 'uri' }),
  title: text('The reason in words, always the same.'),
  status: whole('The HTTP status.'),
  detail: text('The message again, under the name that RFC 9457 has for it.'),
  reason: reason('Why it was refused; the same over every transport.'),
  metadata: textMap('The numbers and names behind the message.'),
  errors: listOf(named('ErrorItem'), 'Each field, or operation of a batch, that is wrong.'),
  timestamp: time('When it was answered, by the clock of the service.'),
};
const BATCH_FIELDS = {
  successCount: whole('How many operations took effect, or had done so before.'),
  failureCount: whole('How many were refused.'),
};

/** They are sent as they are; these describe them. */
const ERRORS = [
  object('Error', 'Why nothing was done (RFC 9457).', ERROR_FIELDS),
  object('SyncError', 'Why no operation of a batch took effect.', ERROR_FIELDS, {
    data: named('OperationResults'),
    ...BATCH_FIELDS,
  }),
];

const ANSWERS = [
  answer('StockAnswer', 'One stock.', 'StockRead'),
  answer('StockPageAnswer', 'A page of stocks.', 'StockPage'),
  answer('StockBatchAnswer', 'Several stocks.', 'StockBatch'),
  answer('EventPageAnswer', 'A page of history.', 'EventPage'),
  answer('MovementAnswer', 'A sale or restock that took effect.', 'Movement'),
  answer('SyncAnswer', 'A batch that was decided.', 'OperationResults', {
    ...BATCH_FIELDS,
    errors: listOf(named('ErrorItem'), 'One for each operation that was refused.'),
  }),
];

/** Everything that is added to the server under its name. */
export const ANSWER_SCHEMAS: readonly Schema[] = [
  ...READS,
  ...EVENTS,
  ...WATCH,
  ...CHANGES,
  ...ANSWERS,
  ...ERRORS,
];
