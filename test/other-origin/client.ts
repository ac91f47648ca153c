import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { ErrorInfoSchema } from '../../src/gen/connect/google/rpc/error_details_pb.js';
import { InventoryService } from '../../src/gen/connect/inventory/v1/inventory_service_pb.js';

/** What a page of another origin learns by reading a stock, selling one of it, and asking for too many. */
export interface Learnt {
  readonly read: string;
  readonly sold: string;
  readonly refused: string;
}

const TRANSPORTS = {
  'Connect with JSON': (baseUrl: string) => createConnectTransport({ baseUrl }),
  'Connect with GET for reads': (baseUrl: string) => createConnectTransport({ baseUrl, useHttpGet: true }),
  'Connect with protobuf': (baseUrl: string) => createConnectTransport({ baseUrl, useBinaryFormat: true }),
  'gRPC-Web': (baseUrl: string) => createGrpcWebTransport({ baseUrl }),
} satisfies Record<string, (baseUrl: string) => Transport>;

export type TransportName = keyof typeof TRANSPORTS;

async function learn(baseUrl: string, name: TransportName, productId: string): Promise<Learnt> {
  const client = createClient(InventoryService, TRANSPORTS[name](baseUrl));
  const key = { storeId: 'STORE_001', productId };
  const quantityOf = ({ stock }: { stock?: { quantity: number } | undefined }) => `${stock?.quantity} left`;
  return {
    read: await client.get(key).then(quantityOf, reasonOf),
    sold: await client.sell({ ...key, quantity: 1 }).then(quantityOf, reasonOf),
    refused: await client.sell({ ...key, quantity: 100 }).then(quantityOf, reasonOf),
  };
}

/** The reason and metadata of the service, or the code that the client made itself. */
function reasonOf(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(ErrorInfoSchema);
  return info === undefined
    ? `no answer: ${error.rawMessage}`
    : `${info.reason}, ${info.metadata.available} left`;
}

// For the test, which calls it in the page.
Object.assign(globalThis, { learn });
