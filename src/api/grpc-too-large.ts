import { type ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { Calls } from './call.js';
import { toGrpcError } from './error-details.js';
import { messageTooLarge, UNARY_LIMIT_BYTES } from './errors.js';
import { RPC_NAMES, type RpcKey, SERVICE_NAME } from './rpcs.js';

export const SYNC_LIMIT_BYTES = 1024 * 1024;

/** The longest message of an RPC, in bytes. */
export const limitOf = (rpc: RpcKey): number => (rpc === 'sync' ? SYNC_LIMIT_BYTES : UNARY_LIMIT_BYTES);

const RPC_BY_PATH = new Map(
  Object.entries(RPC_NAMES).map(([rpc, name]) => [`/${SERVICE_NAME}/${name}`, rpc as RpcKey]),
);
/** How grpc-js begins to say that what it receives is more than it may take. */
const TOO_LARGE = 'Received message';

/** How grpc-js tells of the end of a call. */
type Ending = Parameters<ServerInterceptingCall['sendStatus']>[0];
type SendStatus = (this: LibraryCall, answer: Ending) => void;
/** What grpc-js does not publish of its own call. */
interface LibraryCall {
  readonly handler: { readonly path: string };
  sendStatus: SendStatus;
}

/** Whose calls are counted where. */
const callsOf = new WeakMap<LibraryCall['handler'], Calls>();
const completed = new WeakSet<LibraryCall>();

/**
 * Completes the refusal of a message that is so large that grpc-js does not even take it in, and which reaches no handler: it
 * is counted, and gets the ErrorInfo that every error has. The class of the calls is changed, once: a method of its own on
 * each call, or a wrapper around it, would cost 30 µs, a third of a sale.
 */
export function reasonForTooLarge(calls: Calls): ServerInterceptor {
  return (_method, call) => {
    const libraryCall = call as unknown as LibraryCall;
    if (!callsOf.has(libraryCall.handler)) {
      callsOf.set(libraryCall.handler, calls);
      complete(Object.getPrototypeOf(libraryCall));
    }
    return call as ServerInterceptingCall;
  };
}

function complete(prototype: LibraryCall): void {
  if (completed.has(prototype)) return;
  completed.add(prototype);
  const send = prototype.sendStatus;
  prototype.sendStatus = function (answer) {
    send.call(this, isTooLarge(answer) ? withReason(this.handler, answer) : answer);
  };
}

const isTooLarge = ({ code, details }: Ending): boolean =>
  code === status.RESOURCE_EXHAUSTED && details?.startsWith(TOO_LARGE) === true;

function withReason(handler: LibraryCall['handler'], answer: Ending): Ending {
  const rpc = RPC_BY_PATH.get(handler.path);
  const calls = callsOf.get(handler);
  if (rpc === undefined || calls === undefined) return answer;
  return toGrpcError(calls.refuse(rpc, 'GRPC', messageTooLarge(limitOf(rpc)))) as Ending;
}
