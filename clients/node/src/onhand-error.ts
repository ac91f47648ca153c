import { status } from '@grpc/grpc-js';
import { type MetadataOf, metadataOf, type Reason } from './error-reasons.js';

/** One field that the service found wrong, by its path: `operations[3].quantity`. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What an error is made of. */
export interface ErrorFacts<R extends Reason = Reason> {
  readonly reason: R;
  readonly code: status;
  readonly message: string;
  /** The values of google.rpc.ErrorInfo, as they came. */
  readonly info?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly retryDelayMs?: number;
  /** True where this client refused by itself, and nothing was sent. */
  readonly local?: boolean;
  readonly cause?: unknown;
}

/** An error with one reason. */
export class ErrorOf<R extends Reason> extends Error {
  override readonly name = 'OnhandError';
  /** Why, for programs. */
  readonly reason: R;
  /** The canonical gRPC code. */
  readonly code: status;
  /** The values behind the message, typed where the contract says what they are. */
  readonly metadata: MetadataOf<R>;
  /** The values of google.rpc.ErrorInfo, as they came. */
  readonly info: Readonly<Record<string, string>>;
  /** The fields that are wrong (INVALID_FIELD). */
  readonly violations: readonly FieldViolation[];
  /** Not to be tried again before this long, in milliseconds; 0 where the service says nothing. */
  readonly retryDelayMs: number;
  /** True where this client refused by itself because the service is overloaded: nothing was sent. */
  readonly local: boolean;
  /** The ids of the commands of the call: ask again with them, and each takes effect at most once. */
  eventIds: readonly string[] = [];
  /** How often the call was sent. */
  tries = 0;

  constructor(facts: ErrorFacts<R>) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.reason = facts.reason;
    this.code = facts.code;
    this.info = facts.info ?? {};
    this.metadata = metadataOf(facts.reason, this.info);
    this.violations = facts.violations ?? [];
    this.retryDelayMs = facts.retryDelayMs ?? 0;
    this.local = facts.local ?? false;
  }

  /** The name of the canonical code. */
  get codeName(): string {
    return status[this.code] ?? `code ${this.code}`;
  }
}

/** Whatever a call fails with. `reason` tells the kinds apart, and with them the types of `metadata`. */
export type OnhandError = { [R in Reason]: ErrorOf<R> }[Reason];

interface OnhandErrorConstructor {
  new (facts: ErrorFacts): OnhandError;
}

/** For `instanceof`, which tells the union of all kinds. */
export const OnhandError = ErrorOf as unknown as OnhandErrorConstructor;
