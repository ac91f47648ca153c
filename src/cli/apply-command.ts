import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { batchQueues, type Mode } from './apply-plan.js';
import { applyDocument, showApplied } from './apply-report.js';
import { ApplyTally, sendBatch } from './apply-run.js';
import { choice, wholeNumber } from './arguments.js';
import type { CommandLine } from './command-line.js';
import {
  type EarlierChoice,
  type EventIdPlan,
  planEventIds,
  readEventIds,
  writeEventIds,
} from './event-id-file.js';
import { EXIT } from './failure-report.js';
import { JobCalls } from './job-calls.js';
import { formatOperations, type OperationsFile, readOperationsFile, STDIN } from './operations-file.js';
import { startProgress } from './progress.js';
import { workThrough } from './queues.js';
import { printJson, type Session } from './session.js';
import { count } from './tables.js';
import { UsageError } from './usage-error.js';

export function addApply(line: CommandLine): void {
  line
    .add({
      name: 'apply',
      does: 'Applies the operations of a CSV or JSON file; exits with 1 where any of them is refused.',
      more: [
        'FILE (- for standard input) is CSV with a header of the columns store_id, product_id, type (SALE, RESTOCK, RETURN, COUNT or WASTE), quantity and, if you like, event_id, occurred_time, reason, metadata.KEY; or JSON: a list of operations with these fields (storeId or store_id), or an object with storeId and operations. Gzipped if its name ends in .gz.',
        'The operations of a store are sent in their order, up to 1,000 at once. With --mode atomic each such batch takes effect in full or not at all; with independent each operation by itself.',
        'The event ids are made and kept in FILE.ids before anything is sent. If a run breaks off, run it again: what was done before counts once, even where the file was corrected in between. --again makes new ids: all of the file is done once more.',
        '--refused writes what was refused into a file of its own, to be corrected and applied. A refusal is for ever: the same file with the same ids would be refused again.',
      ],
      examples: [
        'apply delivery.csv',
        'apply counts.json --mode independent --refused refused.json',
        'apply - --store STORE_001 --ids night.ids < night.csv',
      ],
    })
    .argument('<file>', 'the operations, - for standard input')
    .addOption(
      choice('--mode <mode>', 'how a batch hangs together', ['atomic', 'independent']).default('atomic'),
    )
    .option('--store <id>', 'the store of operations that name none')
    .option('--refused <file>', 'write the refused operations there')
    .option('--ids <file>', 'keep the event ids there (default: FILE.ids)')
    .option('--resume', 'the file was corrected after it was applied: do what is new in it')
    .option('--again', 'make new event ids: do all of it once more')
    .option('--concurrency <n>', 'stores worked on at once, 1 to 100', wholeNumber(1, 100), 4)
    .action((file: string, given: ApplyOptions, command: Command) => {
      if (given.resume && given.again) throw new UsageError('Give --resume or --again, not both.');
      const pathOf = (path: string) => (path === STDIN ? STDIN : line.path(path));
      const wanted = {
        ...given,
        file: pathOf(file),
        ids: given.ids === undefined ? undefined : line.path(given.ids),
        refused: given.refused === undefined ? undefined : line.path(given.refused),
      };
      if (wanted.refused === wanted.file) throw new UsageError('Give --refused a file of its own.');
      return line.run(command, (session) => apply(session, wanted), given.concurrency);
    });
}

interface ApplyOptions {
  readonly mode: Mode;
  readonly store?: string;
  readonly refused?: string;
  readonly ids?: string;
  readonly resume?: boolean;
  readonly again?: boolean;
  readonly concurrency: number;
}

interface ApplyArguments extends Omit<ApplyOptions, 'ids' | 'refused'> {
  readonly file: string;
  readonly ids: string | undefined;
  readonly refused: string | undefined;
}

async function apply(session: Session, wanted: ApplyArguments): Promise<void> {
  const { client, options, terminal } = session;
  const file = await readOperationsFile(wanted.file, wanted.store ?? '');
  const ids = new KeptIds(file, wanted);
  const queues = batchQueues(file.operations, ids.plan.eventIds, wanted.mode, (request) =>
    client.sizeOf('Apply', request),
  );
  await client.connect(Date.now() + options.deadlineMs);
  const tally = new ApplyTally();
  // Before anything is sent: later it would be too late to say that it cannot be written.
  writeRefused(wanted, file, tally);
  ids.keep(false);
  if (ids.plan.kept > 0)
    terminal.err.line(
      `${count(ids.plan.kept)} operations keep the event ids of an earlier run (${ids.path}): what was done counts once.`,
    );
  const calls = new JobCalls(client, options.deadlineMs, terminal.err);
  const progress = startProgress(terminal.err, 'Applying', file.operations.length);
  const startedAt = performance.now();
  try {
    await workThrough(queues, wanted.concurrency, async (batch) => {
      tally.record(batch, await sendBatch(calls, batch));
      progress.update(tally.answered);
    });
  } catch (error) {
    progress.stop();
    terminal.err.line(
      `Broke off: ${count(tally.answered)} of ${count(file.operations.length)} operations were answered. ` +
        'Run it again: what was done counts once.',
    );
    throw error;
  }
  progress.stop();
  ids.keep(true);
  writeRefused(wanted, file, tally);
  if (tally.refusals.length > 0) session.endWith(EXIT.refused);
  const seconds = (performance.now() - startedAt) / 1_000;
  const result = { file: basename(wanted.file), tally, retries: calls.retries, seconds };
  if (options.json) printJson(session, applyDocument(result));
  else showApplied(terminal.out, result);
}

/** The event ids of a run, and where they are kept. */
class KeptIds {
  readonly path: string;
  readonly plan: EventIdPlan;
  readonly #needed: boolean;

  constructor(file: OperationsFile, { file: path, ids, resume, again }: ApplyArguments) {
    this.#needed = file.operations.some(({ eventId }) => eventId === undefined);
    if (this.#needed && path === STDIN && ids === undefined)
      throw new UsageError(
        'Operations from standard input need event ids of their own, or --ids FILE to keep them in.',
      );
    this.path = ids ?? `${path}.ids`;
    const choice: EarlierChoice = again ? 'again' : resume ? 'resume' : undefined;
    this.plan = planEventIds(
      file.operations,
      this.#needed ? readEventIds(this.path) : undefined,
      choice,
      this.path,
    );
  }

  /** @param complete every operation was answered */
  keep(complete: boolean): void {
    if (this.#needed && (complete || this.plan.added > 0))
      writeEventIds(this.path, { complete, entries: this.plan.entries });
  }
}

/** @throws UsageError if it cannot be written */
function writeRefused(
  { refused: path }: ApplyArguments,
  { format }: OperationsFile,
  { refusals }: ApplyTally,
): void {
  if (path === undefined) return;
  try {
    writeFileSync(
      path,
      formatOperations(
        refusals.map(({ operation }) => operation),
        format,
      ),
    );
  } catch (error) {
    throw new UsageError(`What is refused cannot be written: ${(error as Error).message}`);
  }
}
