/**
 * PostgreSQL's timestamptz as microseconds since 1970: JavaScript's Date would cut off the microseconds, and a replayed
 * answer must equal the first one. Sessions run with TimeZone=UTC and DateStyle=ISO.
 */

/** Reads PostgreSQL's text form, e.g. `2026-11-23 08:30:00.123456+00`. */
export function parseTimestampUs(text: string): number {
  const seconds = Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`);
  const fraction = text.charAt(19) === '.' ? text.slice(20, text.indexOf('+', 20)) : '';
  return seconds * 1000 + Number(fraction.padEnd(6, '0'));
}

/** Writes a form that PostgreSQL reads without loss. */
export function formatTimestampUs(timeUs: number): string {
  const ms = Math.floor(timeUs / 1000);
  const rest = timeUs - ms * 1000;
  return `${new Date(ms).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}
