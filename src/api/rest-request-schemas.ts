import { NET_LIMIT } from '../domain/types.js';
import { BatchMode, EventStatus, OperationType, Origin } from '../gen/grpc/inventory/v1/inventory.js';
import { ID_LIMIT, METADATA_KEYS, QUANTITY_LIMIT, REASON_LIMIT } from './field-rules.js';
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
import { ACTOR_LIMIT, KEYS_LIMIT, PAGE_DEFAULT, PAGE_LIMIT } from './validate.js';
import { OPERATIONS_LIMIT } from './validate-apply.js';
import { WATCHED_PRODUCTS_LIMIT } from './validate-watch.js';

/**
 * What REST takes, as JSON schemas. They describe: nothing is validated by them, since the rules of every transport are
 * those of validate.ts. The limits come from there.
 */

const KEY = { storeId: 'STORE_001', productId: 'PROD_0001' };

const id = (description: string, example: string): Schema =>
  but(text(description), { minLength: 1, maxLength: ID_LIMIT, examples: [example] });
const storeId = id('The store.', KEY.storeId);
const productId = id('The product.', KEY.productId);
const quantity = but(whole('Units.'), { minimum: 1, maximum: QUANTITY_LIMIT, examples: [5] });
const eventId = uuid('The idempotency key, made by the caller before it sends; none: the service makes one.');
const occurredTime = time('When it happened, from 2000-01-01; none, or later than receipt: at receipt.');
const metadata = but(textMap('What the caller wants to find again in the history; at most 2 KB together.'), {
  maxProperties: METADATA_KEYS,
});
const consistency: Schema = {
  type: 'string',
  enum: ['STRONG', 'strong'],
  description:
    'STRONG: from the primary, nothing acknowledged before is missing. None: from the nearest source.',
};

/** Without a name of its own; those are required, these may be left out. */
const parameters = (required: Schema, optional: Schema = {}): Schema => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...optional },
});

/** No other properties are taken. */
const closed = (schema: Schema, example?: object): Schema =>
  but(schema, { additionalProperties: false, ...(example && { examples: [example] }) });

const MOVEMENT = closed(
  object(
    'MovementRequest',
    'A sale or restock.',
    { storeId, productId, quantity },
    { eventId, occurredTime, metadata },
  ),
  { ...KEY, quantity: 5 },
);

const OPERATION = closed(
  object(
    'Operation',
    'One change of a batch. COUNT takes a quantity, all others take a delta.',
    { productId, type: nameIn(OperationType, 'What to do.') },
    {
      delta: but(whole('The change: negative for SALE and WASTE, positive for RESTOCK and RETURN.'), {
        minimum: -QUANTITY_LIMIT,
        maximum: QUANTITY_LIMIT,
      }),
      quantity: but(whole('What was counted on the shelf.'), { minimum: 0, maximum: NET_LIMIT }),
      eventId,
      occurredTime,
      reason: but(text('Why, in the words of the caller.'), { maxLength: REASON_LIMIT }),
      metadata,
    },
  ),
);

const SYNC = closed(
  object(
    'SyncRequest',
    'Operations of one store.',
    {
      storeId,
      operations: but(listOf(named('Operation'), 'They are judged in this order.'), {
        minItems: 1,
        maxItems: OPERATIONS_LIMIT,
      }),
    },
    {
      mode: nameIn(
        BatchMode,
        'ATOMIC (where none is given): all operations or none. INDEPENDENT: each by itself.',
      ),
    },
  ),
  {
    storeId: KEY.storeId,
    operations: [
      { productId: 'PROD_0001', delta: -10, type: 'SALE' },
      { productId: 'PROD_0002', delta: 50, type: 'RESTOCK' },
    ],
  },
);

const BATCH_GET = closed(
  object(
    'BatchGetRequest',
    'Which stocks.',
    {
      keys: but(listOf(closed(parameters({ storeId, productId })), 'Repeats are answered once.'), {
        minItems: 1,
        maxItems: KEYS_LIMIT,
      }),
    },
    { consistency },
  ),
  { keys: [KEY, { ...KEY, productId: 'PROD_0002' }] },
);

/** Everything that is added to the server under its name. */
export const REQUEST_SCHEMAS: readonly Schema[] = [MOVEMENT, OPERATION, SYNC, BATCH_GET];

const PAGE_PARAMETERS = {
  pageSize: but(whole(`At most this many; more than ${PAGE_LIMIT} means ${PAGE_LIMIT}.`), {
    minimum: 0,
    default: PAGE_DEFAULT,
  }),
  pageToken: text('`nextPageToken` of the page before, with the same filters; none for the first page.'),
  consistency,
};

export const GET_QUERY = parameters(
  { storeId, productId },
  {
    consistency,
    minVersion: but(
      long('The answer must be of this version or a later one; the answer to a change gives it.'),
      {
        minimum: 0,
      },
    ),
  },
);
export const STORE_PATH = parameters({ storeId });
export const PRODUCT_PATH = parameters({ productId });
export const LIST_QUERY = parameters({}, PAGE_PARAMETERS);
export const EVENTS_QUERY = parameters(
  { storeId },
  {
    productId: but(productId, { examples: [] }),
    eventId: uuid('Only this event.'),
    type: nameIn(OperationType, 'Only this type.'),
    status: nameIn(EventStatus, 'Only this status.'),
    origin: nameIn(Origin, 'Only this origin.'),
    actor: but(text('Only this actor.'), { maxLength: ACTOR_LIMIT }),
    startTime: time('Recorded at this time or later.'),
    endTime: time('Recorded before this time.'),
    descending: but(flag('True for the newest first.'), { default: false }),
    ...PAGE_PARAMETERS,
  },
);
export const WATCH_QUERY = parameters(
  {},
  {
    storeId: but(storeId, { description: 'The store. This or `productId` is required.' }),
    productId: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: ID_LIMIT },
      maxItems: WATCHED_PRODUCTS_LIMIT,
      description: 'The products, as often as there are; none means all of the store.',
    },
    cursor: text('The id of an event: goes on after it.'),
  },
);
export const WATCH_HEADERS = parameters(
  {},
  { 'Last-Event-ID': text('As `cursor`, and before it; browsers send it when they connect again.') },
);
export const IDEMPOTENCY_HEADERS = parameters({}, { 'Idempotency-Key': eventId });
export const BATCH_IDEMPOTENCY_HEADERS = parameters(
  {},
  {
    'Idempotency-Key': uuid(
      'Operations without an event id get one that follows from this key and their place.',
    ),
  },
);
export const CONDITIONAL_HEADERS = parameters(
  {},
  {
    'If-None-Match': text(
      'The ETag of an earlier answer: while it holds, the answer is 304. Not where the answer is stale: that shows nothing.',
    ),
  },
);
