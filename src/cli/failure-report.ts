import { status } from '@grpc/grpc-js';
import { CLIENT_REASONS, OnhandError } from '@onhand/client';
import type { Terminal, TextChannel } from './terminal.js';
import { UnavailableError } from './unavailable-error.js';
import { UsageError } from './usage-error.js';

/** What the process tells its caller by its exit code. */
export const EXIT = { ok: 0, refused: 1, usage: 2, unavailable: 3 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES_HELP = `Exit codes:
  0  done (a replay of an earlier success too)
  1  refused by the service (of apply: any operation): not found, too little in stock, event id reused, a defect there
  2  wrong usage: bad arguments, a bad file, a field that the service found invalid
  3  no answer: the service cannot be reached, is overloaded, or the deadline passed`;

/** How the error is shown: where the service was sought, and whether a program reads the answer. */
export interface ReportOptions {
  readonly server: string;
  readonly json: boolean;
}

/**
 * Tells what went wrong and what to do next, on `err`; with --json as one document on `out` as well.
 *
 * @returns the exit code
 */
export function reportFailure(error: unknown, terminal: Terminal, options: ReportOptions): ExitCode {
  const { err, out } = terminal;
  if (error instanceof UsageError || error instanceof UnavailableError) {
    err.line(`${err.paint('red', 'Error:')} ${error.message}`);
    return error instanceof UsageError ? EXIT.usage : EXIT.unavailable;
  }
  if (!(error instanceof OnhandError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    err.line(`${err.paint('red', 'A defect of this program:')} ${text}`);
    return EXIT.refused;
  }
  for (const line of failureLines(error, err, options.server)) err.line(line);
  if (options.json) out.line(JSON.stringify(failureDocument(error), null, 2));
  return exitCodeOf(error.code);
}

/** The service's own reason; empty where the failure did not come from Onhand. */
export const reasonOf = ({ reason }: OnhandError): string =>
  CLIENT_REASONS.some((own) => own === reason) ? '' : reason;

/** The failure for programs, in the shape that --json prints. */
export function failureDocument(failure: OnhandError): object {
  const { info, violations } = failure;
  const reason = reasonOf(failure);
  const [eventId] = failure.eventIds;
  return {
    error: {
      code: failure.codeName,
      reason,
      message: failure.message,
      metadata: info,
      fieldViolations: violations,
      ...(eventId === undefined ? {} : { eventId }),
    },
  };
}

function exitCodeOf(code: status): ExitCode {
  switch (code) {
    case status.INVALID_ARGUMENT:
      return EXIT.usage;
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.RESOURCE_EXHAUSTED:
    case status.CANCELLED:
      return EXIT.unavailable;
    default:
      return EXIT.refused;
  }
}

function failureLines(failure: OnhandError, channel: TextChannel, server: string): string[] {
  const { info, violations } = failure;
  const reason = reasonOf(failure);
  const [eventId] = failure.eventIds;
  const facts: [string, string][] = [
    ['reason', reason === '' ? failure.codeName : `${reason} (${failure.codeName})`],
    ...violations.map(({ field, description }): [string, string] => [field, description]),
    ...Object.entries(info),
  ];
  if (eventId !== undefined && info.event_id === undefined) facts.push(['event id', eventId]);
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    `${channel.paint('red', 'Error:')} ${failure.message}`,
    ...facts.map(([name, value]) => `  ${channel.paint('dim', name.padEnd(width))}  ${value}`),
    `  ${nextStep(failure, server)}`,
  ];
}

const NEXT_STEP_BY_REASON: Readonly<Record<string, string>> = {
  STOCK_NOT_FOUND:
    'Check the two ids (letter case counts), or create the stock: restock STORE PRODUCT QUANTITY.',
  INSUFFICIENT_STOCK:
    'Sell what is available, or restock first; either is a new command with a new event id.',
  EVENT_ID_REUSED: 'Leave --event-id away for a new command, or repeat the first command exactly.',
  VERSION_NOT_REACHED: 'Ask for a version that a write has returned, or leave --min-version away.',
  PAGE_TOKEN_INVALID: 'Start again without --page-token, or give it with the same filters as before.',
  RESYNC: 'Leave --from-cursor away: then it begins with the stocks as they are now.',
  DATABASE_UNAVAILABLE: 'Nothing was changed. Try again; the log of the service says what its database does.',
};

function nextStep(failure: OnhandError, server: string): string {
  const known = NEXT_STEP_BY_REASON[failure.reason];
  if (known !== undefined) return known;
  const [eventId] = failure.eventIds;
  const again = eventId === undefined ? '' : ` Repeat it with --event-id ${eventId}: it counts once.`;
  switch (failure.code) {
    case status.INVALID_ARGUMENT:
      return 'Correct the field and try again; --help shows what a command takes.';
    case status.UNAVAILABLE:
      return reasonOf(failure) === ''
        ? `Is the service running at ${server}? Start it with npm start, or name another one with --server.${again}`
        : `Try again in a moment.${again}`;
    case status.DEADLINE_EXCEEDED:
      return `Try again, or allow more time with --deadline-ms.${again}`;
    case status.RESOURCE_EXHAUSTED:
      return `The service has too much to do: try again in a moment.${again}`;
    default:
      return reasonOf(failure) === ''
        ? `Is it an Onhand service that answers gRPC at ${server}? Name another one with --server.`
        : 'The log of the service tells more.';
  }
}
