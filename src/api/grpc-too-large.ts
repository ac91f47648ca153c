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

/**
 * Completes the refusal of a message that is so large that grpc-js does not even take it in, and which reaches no handler: it
 * is counted, and gets the ErrorInfo that every error has.
 */
export function reasonForTooLarge(calls: Calls): ServerInterceptor {
  return (method, call) => {
    const rpc = RPC_BY_PATH.get(method.path);
    if (rpc !== undefined) {
      const send = call.sendStatus.bind(call);
      call.sendStatus = (answer) => {
        const isOurs = answer.code !== status.RESOURCE_EXHAUSTED || !answer.details.startsWith(TOO_LARGE);
        send(isOurs ? answer : toGrpcError(calls.refuse(rpc, 'GRPC', messageTooLarge(limitOf(rpc)))));
      };
    }
    // The library's own call, since a wrapper around it would take part in every message.
    return call as ServerInterceptingCall;
  };
}
