import { status } from '@grpc/grpc-js';

/** One field that the service found wrong. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** A call that the service refused, or that never reached it. */
export class ServiceFailure extends Error {
  /** The command's event id, so that the person can ask again with it; set for writes. */
  eventId: string | undefined;

  constructor(
    readonly code: status,
    message: string,
    readonly details: FailureDetails = NO_DETAILS,
  ) {
    super(message);
    this.name = 'ServiceFailure';
  }

  get codeName(): string {
    return status[this.code] ?? `code ${this.code}`;
  }
}

/** What travels beside code and message, in `grpc-status-details-bin`. */
export interface FailureDetails {
  /** A reason of inventory.v1.ErrorReason without its prefix; empty where the failure did not come from Onhand. */
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  /** Not to be tried again before this long. */
  readonly retryDelayMs: number;
}

export const NO_DETAILS: FailureDetails = { reason: '', metadata: {}, violations: [], retryDelayMs: 0 };

interface ErrorInfo {
  readonly '@type': string;
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}
interface BadRequest {
  readonly '@type': string;
  readonly fieldViolations?: readonly FieldViolation[];
}
interface RetryInfo {
  readonly '@type': string;
  readonly retryDelay?: { readonly seconds: string; readonly nanos: number } | null;
}

/** A google.rpc.Status as proto-loader decodes it with `json: true`: each Any as the message inside it. */
export interface DecodedStatus {
  readonly details?: readonly (ErrorInfo | BadRequest | RetryInfo)[];
}

/** Gathers the details of a decoded google.rpc.Status; unknown ones are passed over. */
export function failureDetails(decoded: DecodedStatus): FailureDetails {
  let found = NO_DETAILS;
  for (const detail of decoded.details ?? []) {
    const type = detail['@type']?.split('/').at(-1);
    if (type === 'google.rpc.ErrorInfo') {
      const { reason = '', metadata = {} } = detail as ErrorInfo;
      found = { ...found, reason, metadata };
    } else if (type === 'google.rpc.BadRequest') {
      const { fieldViolations: violations = [] } = detail as BadRequest;
      found = { ...found, violations };
    } else if (type === 'google.rpc.RetryInfo') {
      const { retryDelay } = detail as RetryInfo;
      if (retryDelay)
        found = { ...found, retryDelayMs: Number(retryDelay.seconds) * 1_000 + retryDelay.nanos / 1e6 };
    }
  }
  return found;
}
