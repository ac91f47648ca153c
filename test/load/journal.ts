import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Call } from './load-plan.js';

/**
 * What a load client writes down while it runs, a JSON line for each thing that happens: the only witness, outside of the
 * service, of what was asked and what was acknowledged. Times are milliseconds of the machine's monotonic clock, so that
 * those of several clients can be compared.
 */
export type JournalEntry =
  | { readonly sent: number; readonly call: number; readonly try: number; readonly what?: Call }
  | { readonly answered: number; readonly call: number; readonly results: readonly Result[] }
  | { readonly failed: number; readonly call: number; readonly failure: Failure };

/** What the service decided about one command; for a read, what it found. */
export interface Result {
  readonly eventId: string;
  readonly accepted: boolean;
  /** Of the refusal, else empty. */
  readonly reason: string;
  /** The stock after it; unset where the answer does not tell. */
  readonly version?: number;
  readonly net?: number;
  readonly replayed: boolean;
}

/** Why nothing was decided, as far as the caller can know. */
export interface Failure {
  readonly code: string;
  /** Empty where the failure is not from the service: a broken connection, say. */
  readonly reason: string;
  readonly message: string;
  /** As the failure names it. */
  readonly eventId?: string;
  /** The service says when to come again. */
  readonly retryDelayMs?: number;
}

export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

/** Appends entries. What is written in one turn of the event loop goes out together, before the next. */
export class JournalWriter {
  readonly #file: number;
  #lines: string[] = [];

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(entry: JournalEntry): void {
    if (this.#lines.length === 0) setImmediate(() => this.flush());
    this.#lines.push(JSON.stringify(entry));
  }

  flush(): void {
    if (this.#lines.length > 0) writeSync(this.#file, `${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

/** One call with all its tries, in their order. */
export interface RecordedCall extends Call {
  readonly tries: readonly Try[];
}

export interface Try {
  readonly sentMs: number;
  /** Unset where no answer had come when the client ended. */
  readonly endedMs?: number;
  readonly results?: readonly Result[];
  readonly failure?: Failure;
}

/** Reads what a client has written. */
export function readJournal(path: string): RecordedCall[] {
  const calls = new Map<number, Call & { tries: Try[] }>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue;
    const entry = JSON.parse(line) as JournalEntry;
    if ('sent' in entry && entry.what !== undefined) calls.set(entry.call, { ...entry.what, tries: [] });
    const tries = calls.get(entry.call)?.tries;
    if (tries === undefined) throw new Error(`${path} tells of call ${entry.call}, which was not sent.`);
    if ('sent' in entry) tries.push({ sentMs: entry.sent });
    else tries.push({ ...tries.pop()!, ...ending(entry) });
  }
  return [...calls.values()];
}

const ending = (entry: Exclude<JournalEntry, { sent: number }>): Partial<Try> =>
  'answered' in entry
    ? { endedMs: entry.answered, results: entry.results }
    : { endedMs: entry.failed, failure: entry.failure };
