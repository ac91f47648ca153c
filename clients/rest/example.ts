import createClient from 'openapi-fetch';
// Made by: openapi-typescript docs/openapi.json --output clients/rest/dist/onhand.d.ts
import type { paths } from './dist/onhand.js';

/** What a caller writes with the types of the OpenAPI document: a sale that is refused, and one that is not. */

const client = createClient<paths>({ baseUrl: process.argv[2]! });
const key = { storeId: 'STORE_001', productId: process.argv[3]! };

const restocked = await client.POST('/api/v1/inventory/restock', { body: { ...key, quantity: 2 } });
const eventId: string = restocked.data!.data.eventId;

const refused = await client.POST('/api/v1/inventory/sell', {
  body: { ...key, quantity: 5 },
  params: { header: { 'Idempotency-Key': crypto.randomUUID() } },
});
const { reason, metadata } = refused.error!;

await client.POST('/api/v1/inventory/sync', {
  body: { storeId: key.storeId, operations: [{ productId: key.productId, type: 'SALE', delta: -1 }] },
});

const read = await client.GET('/api/v1/inventory', { params: { query: { ...key, consistency: 'STRONG' } } });
const left: number = read.data!.data.quantity;

const listed = await client.GET('/api/v1/stores/{storeId}/inventory', {
  params: { path: { storeId: key.storeId }, query: { pageSize: 1, consistency: 'STRONG' } },
});
const events = await client.GET('/api/v1/inventory/events', {
  params: { query: { ...key, type: 'SALE', consistency: 'STRONG' } },
});
const effects = events.data!.data.events.map(({ effect }) => effect);

process.stdout.write(
  JSON.stringify({
    eventId,
    reason,
    available: metadata.available,
    left,
    listed: listed.data!.data.stocks.length,
    effects,
  }),
);

// What the compiler refuses, because the document says so.
async function wrong(): Promise<void> {
  // @ts-expect-error quantity is a number
  await client.POST('/api/v1/inventory/sell', { body: { ...key, quantity: '5' } });
  // @ts-expect-error productId is required
  await client.GET('/api/v1/inventory', { params: { query: { storeId: 'S' } } });
  // @ts-expect-error there is no such type
  await client.GET('/api/v1/inventory/events', { params: { query: { storeId: 'S', type: 'LOSS' } } });
  // @ts-expect-error there is no such path
  await client.GET('/api/v1/stock');
}
void wrong;
