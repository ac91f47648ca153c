import type { Timestamp } from '../gen/grpc/google/protobuf/timestamp.js';

/** Times in REST: RFC 3339. */

const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;
const DAY_SECONDS = 86_400;

/** @returns undefined where the text is no time with an offset. */
export function parseTime(text: string): Timestamp | undefined {
  const [, day, time, fraction = '', zone] = RFC_3339.exec(text) ?? [];
  const local = Date.parse(`${day}T${time}Z`);
  const ms = Date.parse(`${day}T${time}${zone?.toUpperCase()}`);
  // Date.parse takes the 30th of February for the 2nd of March.
  if (Number.isNaN(ms) || new Date(local).toISOString().slice(0, 10) !== day) return undefined;
  return { seconds: BigInt(ms / 1000), nanos: Number(fraction.padEnd(9, '0')) };
}

let lastDay = Number.NaN;
let lastDayText = '';

/** In UTC with microseconds, as the database keeps them. Days are formatted once: most times are of the same few. */
export function formatTime({ seconds, nanos }: Timestamp): string {
  const total = Number(seconds);
  const day = Math.floor(total / DAY_SECONDS);
  if (day !== lastDay) {
    lastDay = day;
    lastDayText = new Date(day * DAY_SECONDS * 1000).toISOString().slice(0, 11);
  }
  const second = total - day * DAY_SECONDS;
  const hours = Math.floor(second / 3600);
  const minutes = Math.floor(second / 60) % 60;
  const micros = String(Math.trunc(nanos / 1000)).padStart(6, '0');
  return `${lastDayText}${twoDigits(hours)}:${twoDigits(minutes)}:${twoDigits(second % 60)}.${micros}Z`;
}

const twoDigits = (value: number): string => (value < 10 ? `0${value}` : String(value));

let lastNowMs = 0;
let lastNowText = '';

/** The present, made once per millisecond. */
export function nowText(): string {
  const nowMs = Date.now();
  if (nowMs !== lastNowMs) {
    lastNowMs = nowMs;
    lastNowText = new Date(nowMs).toISOString();
  }
  return lastNowText;
}
