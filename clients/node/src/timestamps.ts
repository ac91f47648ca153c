import type { Timestamp } from './gen/google/protobuf/timestamp.js';

/** For `occurredTime` and the like. */
export function toTimestamp(date: Date): Timestamp {
  const seconds = Math.floor(date.getTime() / 1_000);
  return { seconds: BigInt(seconds), nanos: (date.getTime() - seconds * 1_000) * 1_000_000 };
}

/** To the millisecond; what is finer is cut off. */
export const toDate = ({ seconds, nanos }: Timestamp): Date =>
  new Date(Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000));
