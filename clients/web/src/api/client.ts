import { createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { InventoryService } from '../contract.js';

/** How long the page waits for any answer. A write may still take effect after that. */
const DEADLINE_MS = 5_000;

/**
 * The service that this page came from. Over gRPC-Web and not Connect: a refusal, such as a sale of more than there is,
 * is an ordinary answer there, where browsers write Connect's status 400 into the console as an error of the page.
 */
export const inventory = createClient(
  InventoryService,
  createGrpcWebTransport({ baseUrl: location.origin, defaultTimeoutMs: DEADLINE_MS }),
);
