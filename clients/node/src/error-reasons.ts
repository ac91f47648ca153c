/** What the values behind an error are, by its reason. Reasons that are not named have none. */
export interface MetadataByReason {
  /** A sale asked for more than is on hand. */
  readonly INSUFFICIENT_STOCK: Refusal;
  /** The change would take the stock beyond 1,000,000,000. */
  readonly STOCK_LIMIT: Refusal;
  /** This id already stands for another command. */
  readonly EVENT_ID_REUSED: { readonly eventId: string };
  /** The version that the stock has. */
  readonly VERSION_NOT_REACHED: { readonly version: bigint };
  /** What a message may have; undefined where it is not the service that refused. */
  readonly MESSAGE_TOO_LARGE: { readonly limitBytes: number | undefined };
  /** The sequence that the service waits for. */
  readonly SEQUENCE_GAP: { readonly expectedSequence: bigint };
}

/** What a refused command met. */
export interface Refusal {
  /** Units on hand when the command was decided. */
  readonly available: number;
  /** Units asked for. */
  readonly requested: number;
  /** The stock's version. */
  readonly version: bigint;
  /** The command's event id. */
  readonly eventId: string;
  /** True where it was refused earlier, and this is that outcome again. */
  readonly replayed: boolean;
}

/** The reasons of the contract (inventory.v1.ErrorReason says what each means). */
export const SERVICE_REASONS = [
  'INVALID_FIELD',
  'MALFORMED_MESSAGE',
  'MESSAGE_TOO_LARGE',
  'STOCK_NOT_FOUND',
  'INSUFFICIENT_STOCK',
  'STOCK_LIMIT',
  'EVENT_ID_REUSED',
  'BATCH_REFUSED',
  'VERSION_NOT_REACHED',
  'PAGE_TOKEN_INVALID',
  'QUEUE_FULL',
  'DEADLINE_EXCEEDED',
  'DATABASE_UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'SHUTTING_DOWN',
  'RESYNC',
  'SEQUENCE_GAP',
  'LOG_FORKED',
  'EPOCH_SUPERSEDED',
  'STREAM_SUPERSEDED',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'RATE_LIMITED',
  'UNIMPLEMENTED',
  'INTERNAL',
] as const;

/** What the client itself finds. */
export const CLIENT_REASONS = [
  /** There is no connection, or it broke before the answer (UNAVAILABLE without a reason of the service's). */
  'UNREACHABLE',
  /** The answer of something else than an Onhand service, or a reason of a newer one: see `code` and `info`. */
  'UNRECOGNIZED',
] as const;

export type Reason = (typeof SERVICE_REASONS)[number] | (typeof CLIENT_REASONS)[number];

export type MetadataOf<R extends Reason> = R extends keyof MetadataByReason
  ? MetadataByReason[R]
  : Readonly<Record<never, never>>;

type Texts = Readonly<Record<string, string>>;

const refusal = (info: Texts): Refusal => ({
  available: Number(info.available),
  requested: Number(info.requested),
  version: wholeNumber(info.version),
  eventId: info.event_id ?? '',
  replayed: info.replayed === 'true',
});

const READERS: { readonly [R in keyof MetadataByReason]: (info: Texts) => MetadataByReason[R] } = {
  INSUFFICIENT_STOCK: refusal,
  STOCK_LIMIT: refusal,
  EVENT_ID_REUSED: (info) => ({ eventId: info.event_id ?? '' }),
  VERSION_NOT_REACHED: (info) => ({ version: wholeNumber(info.version) }),
  MESSAGE_TOO_LARGE: (info) => ({
    limitBytes: info.limit_bytes === undefined ? undefined : Number(info.limit_bytes),
  }),
  SEQUENCE_GAP: (info) => ({ expectedSequence: wholeNumber(info.expected_sequence) }),
};

/** The typed values of an error. */
export function metadataOf<R extends Reason>(reason: R, info: Texts): MetadataOf<R> {
  const read = READERS[reason as keyof MetadataByReason] as ((info: Texts) => object) | undefined;
  return (read?.(info) ?? {}) as MetadataOf<R>;
}

/** -1 where it is none: a service that leaves a value out does not make its error unreadable. */
const wholeNumber = (text = ''): bigint => (/^-?\d+$/.test(text) ? BigInt(text) : -1n);
