import type { Logger } from 'pino';
import { pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** Names of headers and settings whose values are secrets, wherever an object with them is logged. */
const SECRETS = ['authorization', 'cookie', 'password', 'secret', 'token'];

/** Logs JSON lines to standard output, from the given pino level on (`silent` for none). */
export function createLogger(level: string): Logger {
  return pino({
    level,
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  });
}
