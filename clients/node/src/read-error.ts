import { type ServiceError, status } from '@grpc/grpc-js';
import { type Reason, SERVICE_REASONS } from './error-reasons.js';
import { BadRequest, ErrorInfo, RetryInfo, Status } from './gen/google/rpc/error_details.js';
import { type ErrorFacts, OnhandError } from './onhand-error.js';

const DOMAIN = 'inventory.onhand.dev';
const REASONS: ReadonlySet<string> = new Set(SERVICE_REASONS);

type Details = Pick<ErrorFacts, 'info' | 'violations' | 'retryDelayMs'> & { readonly reason?: string };

/** What grpc-js failed with, as this package tells it. */
export function readError(error: ServiceError): OnhandError {
  const details = detailsOf(error);
  const code = unansweredCode(error) ?? error.code;
  const reason = reasonOf(code, details);
  return new OnhandError({ ...details, reason, code, message: messageOf(error, reason), cause: error });
}

/**
 * How a call can end that nobody answered: its connection broke, or its stream was reset. grpc-js has codes for it that could be
 * answers, and tells in its words alone. Node's servers end a connection of which many calls were given up in a short time.
 */
const UNANSWERED =
  /^(Received RST_STREAM with code \d+|Call cancelled$|Bandwidth exhausted or memory limit exceeded$)/;

const unansweredCode = ({ details }: ServiceError): status | undefined =>
  UNANSWERED.test(details) ? status.UNAVAILABLE : undefined;

/** The service's own reason; where there is none, what the code alone tells. */
function reasonOf(code: status, { reason = '' }: Details): Reason {
  if (REASONS.has(reason)) return reason as Reason;
  if (reason !== '') return 'UNRECOGNIZED';
  if (code === status.UNAVAILABLE) return 'UNREACHABLE';
  if (code === status.DEADLINE_EXCEEDED) return 'DEADLINE_EXCEEDED';
  return 'UNRECOGNIZED';
}

/** What the service says, as it says it; of what grpc-js says of a failed connection, the cause. */
function messageOf(error: ServiceError, reason: Reason): string {
  const said = error.details || error.message;
  if (reason === 'DEADLINE_EXCEEDED' && error.metadata?.get(STATUS_DETAILS_KEY).length === 0)
    return 'The deadline passed before there was an answer';
  if (reason !== 'UNREACHABLE') return said;
  const cause = /Last error: (?:Error: )?(.*?)\.? Resolution note/.exec(said)?.[1];
  return `The service cannot be reached: ${cause || said}`;
}

const STATUS_DETAILS_KEY = 'grpc-status-details-bin';

function detailsOf(error: ServiceError): Details {
  const [encoded] = error.metadata?.get(STATUS_DETAILS_KEY) ?? [];
  if (!Buffer.isBuffer(encoded)) return {};
  try {
    return Status.decode(encoded).details.reduce(addDetail, {});
  } catch {
    // Details that cannot be read are another service's; code and message still tell what happened.
    return {};
  }
}

function addDetail(found: Details, { typeUrl, value }: { typeUrl: string; value: Uint8Array }): Details {
  switch (typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) {
    case 'google.rpc.ErrorInfo': {
      const { reason, domain, metadata } = ErrorInfo.decode(value);
      return domain === DOMAIN ? { ...found, reason, info: metadata } : found;
    }
    case 'google.rpc.BadRequest':
      return { ...found, violations: BadRequest.decode(value).fieldViolations };
    case 'google.rpc.RetryInfo': {
      const { seconds, nanos } = RetryInfo.decode(value).retryDelay ?? { seconds: 0n, nanos: 0 };
      return { ...found, retryDelayMs: Number(seconds) * 1_000 + nanos / 1e6 };
    }
    default:
      return found;
  }
}
