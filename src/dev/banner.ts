import type { StartOptions } from './start-options.js';
import { bold } from './terminal.js';

const defaultGrpcPort = 50_051;

export interface BannerFacts {
  /** Without its password. */
  readonly database: string;
  readonly replicas: string;
  readonly redis: string;
}

/** What a person needs to know when everything runs: addresses, where the data is, and three commands to paste. */
export function banner(options: StartOptions, facts: BannerFacts): string {
  const host = reachableHost(options.host);
  const http = `http://${host}:${options.httpPort}`;
  const json = `-H "Content-Type: application/json" -d`;
  const server = options.grpcPort === defaultGrpcPort ? '' : `--server ${host}:${options.grpcPort} `;
  return `
${bold('Onhand is ready.')}

  gRPC      ${host}:${options.grpcPort}
  HTTP      ${http}  (open it in a browser)
  Metrics   http://${host}:${options.metricsPort}/metrics
  Database  ${facts.database}
  Replica   ${facts.replicas}
  Redis     ${facts.redis}
  Data      ${options.dataDir}

${bold('Try, in another terminal:')}

  npm run -s onhand -- ${server}get STORE_001 PROD_0001
  curl -X POST ${http}/api/v1/inventory/sell ${json} '{"storeId":"STORE_001","productId":"PROD_0001","quantity":5}'
  curl -X POST ${http}/inventory.v1.InventoryService/Restock ${json} '{"storeId":"STORE_001","productId":"PROD_0001","quantity":100}'

Ctrl-C stops everything; the data stays.
`;
}

/** An address to connect to, for one to listen on. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** A database's URL as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^:@/]*):[^@/]*@/, '$1@');
}
