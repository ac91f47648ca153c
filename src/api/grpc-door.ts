import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { InventoryError } from '../domain/errors.js';
import { type Calls, DEFAULT_DEADLINE_MS, LONGEST_DEADLINE_MS } from './call.js';
import { toGrpcError } from './error-details.js';
import type { LoopTurns } from './loop-turns.js';
import { RPC_BY_PATH } from './rpcs.js';

type OpenStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
/** What grpc-js does not publish of its server. */
interface LibraryServer {
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
}

const FULL = new InventoryError(
  'QUEUE_FULL',
  'This process is asked more than its processor can do; ask less, or ask another process',
  { retryDelayMs: 200 },
);

/**
 * Refuses calls with QUEUE_FULL while the process is asked more than its processor can do, before grpc-js makes anything of
 * them: that is half the cost of a refusal by a handler. Only calls of the contract: health checks and reflection go on.
 *
 * @param server bound to all its ports
 */
export function keepDoor(server: Server, turns: Pick<LoopTurns, 'admit'>, calls: Calls): void {
  const answer = trailersOf(FULL);
  for (const http2Server of (server as unknown as LibraryServer).http2Servers.keys()) {
    const listeners = http2Server.listeners('stream') as OpenStream[];
    http2Server.removeAllListeners('stream');
    http2Server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const rpc = RPC_BY_PATH.get(String(headers[':path']));
      if (rpc === undefined || turns.admit(leftMsOf(headers))) {
        for (const open of listeners) open.call(http2Server, stream, headers);
        return;
      }
      calls.refuse(rpc, 'GRPC', FULL);
      // The caller may have given up.
      stream.on('error', () => undefined);
      stream.respond(answer, { endStream: true });
    });
  }
}

/** In milliseconds, by the unit with which `grpc-timeout` ends. */
const UNIT_MS = new Map(Object.entries({ H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }));

/** What a call has left, as its caller says. What cannot be understood is left to grpc-js. */
function leftMsOf({ 'grpc-timeout': timeout }: IncomingHttpHeaders): number {
  if (typeof timeout !== 'string') return DEFAULT_DEADLINE_MS;
  const unitMs = UNIT_MS.get(timeout.slice(-1));
  const leftMs = Number(timeout.slice(0, -1)) * (unitMs ?? Number.NaN);
  return leftMs >= 0 ? Math.min(leftMs, LONGEST_DEADLINE_MS) : DEFAULT_DEADLINE_MS;
}

function trailersOf(error: InventoryError) {
  const { code, details, metadata } = toGrpcError(error);
  return {
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-status': code,
    'grpc-message': details,
    ...metadata.toHttp2Headers(),
  };
}
