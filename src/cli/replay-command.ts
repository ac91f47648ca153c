import { basename } from 'node:path';
import { OnhandError } from '@onhand/client';
import type { Command } from 'commander';
import { namespace, wholeNumber } from './arguments.js';
import type { CommandLine } from './command-line.js';
import { type InvoiceLine, readInvoiceLines } from './invoice-lines.js';
import { JobCalls } from './job-calls.js';
import { startProgress } from './progress.js';
import { REPLAY_NAMESPACE, type ReplayCommand, stockQueues } from './replay-plan.js';
import { answered, emptyTally, type Outcome, runQueues, type Tally } from './replay-run.js';
import { printJson, type Session } from './session.js';
import { count, drawTable } from './tables.js';
import type { TextChannel } from './terminal.js';

export function addReplay(line: CommandLine): void {
  line
    .add({
      name: 'replay',
      does: 'Sends the lines of an invoice file as sales and returns.',
      more: [
        'FILE is CSV (gzipped if it ends in .gz) with the columns invoice_no, stock_code, quantity, unit_price, country. A country is a store, a stock code a product.',
        'Every stock opens with a restock of 1,000. A line below 0 is a return, sent as a restock. Lines of one stock go in the order of the file, many stocks at once.',
        'Event ids follow from the line numbers, so that a second run changes nothing: all of it is replayed. Another file needs another --namespace.',
      ],
      examples: ['replay data/online-retail-lines.csv.gz'],
    })
    .argument('<file>', 'the invoice file')
    .option('--concurrency <n>', 'stocks worked on at once, 1 to 1000', wholeNumber(1, 1_000), 256)
    .option('--namespace <uuid>', 'the UUIDv5 namespace of the event ids', namespace, REPLAY_NAMESPACE)
    .action((file: string, given: Omit<ReplayArguments, 'file'>, command: Command) => {
      const wanted = { ...given, file: line.path(file) };
      return line.run(command, (session) => replay(session, wanted), given.concurrency);
    });
}

/** What `replay` asks for. */
export interface ReplayArguments {
  readonly file: string;
  readonly concurrency: number;
  /** UUID; the event ids are made in it. */
  readonly namespace: string;
}

/** What a replay did, as --json prints it. */
interface ReplayResult extends Omit<Tally, 'openings'> {
  readonly file: string;
  readonly lines: number;
  readonly stocks: number;
  readonly commands: number;
  readonly retries: number;
  readonly seconds: number;
  readonly commandsPerSecond: number;
}

/**
 * Replays a file of invoice lines. Every event id follows from the file alone, so that a second run, or one after a run
 * that broke off, repeats what was done before without doing it again.
 */
export async function replay(session: Session, wanted: ReplayArguments): Promise<void> {
  const { client, options, terminal } = session;
  const lines = await readInvoiceLines(wanted.file);
  const queues = stockQueues(lines);
  await client.connect(Date.now() + options.deadlineMs);
  const total = lines.length + queues.length;
  const calls = new JobCalls(client, options.deadlineMs, terminal.err);
  const progress = startProgress(terminal.err, 'Replaying', total);
  const tally = emptyTally();
  const startedAt = performance.now();
  try {
    await runQueues(queues, {
      namespace: wanted.namespace,
      concurrency: wanted.concurrency,
      send: (command) => send(calls, command),
      onAnswer: () => progress.update(answered(tally)),
      tally,
    });
  } catch (error) {
    progress.stop();
    terminal.err.line(
      `Broke off: ${count(answered(tally))} of ${count(total)} commands were answered. ` +
        'Run it again: they are replayed, and the others done.',
    );
    throw error;
  }
  progress.stop();
  const seconds = (performance.now() - startedAt) / 1_000;
  const result = resultOf(wanted, lines, queues.length, tally, calls.retries, seconds);
  if (options.json) printJson(session, result);
  else showResult(terminal.out, result);
}

/** @throws OnhandError if the answer is neither success nor too little in stock, or does not come */
async function send(calls: JobCalls, command: ReplayCommand): Promise<Outcome> {
  try {
    const { replayed } = await calls.call(command.rpc, command.request);
    return { accepted: true, replayed };
  } catch (error) {
    if (!(error instanceof OnhandError)) throw error;
    if (error.reason === 'INSUFFICIENT_STOCK') return { accepted: false, replayed: error.metadata.replayed };
    error.message = `${placeOf(command)}: ${error.message}`;
    error.eventIds = [command.request.eventId];
    throw error;
  }
}

function placeOf({ line, request }: ReplayCommand): string {
  return line === undefined ? `The opening of ${request.productId} in ${request.storeId}` : `Line ${line}`;
}

function resultOf(
  { file }: ReplayArguments,
  lines: readonly InvoiceLine[],
  stocks: number,
  tally: Tally,
  retries: number,
  seconds: number,
): ReplayResult {
  const { salesAccepted, salesRefused, returns, replayed } = tally;
  const commands = answered(tally);
  return {
    file: basename(file),
    lines: lines.length,
    stocks,
    salesAccepted,
    salesRefused,
    returns,
    commands,
    replayed,
    retries,
    seconds: Math.round(seconds * 100) / 100,
    commandsPerSecond: Math.round(commands / seconds),
  };
}

function showResult(out: TextChannel, result: ReplayResult): void {
  const rows: [string, number][] = [
    ['Invoice lines', result.lines],
    ['Stocks, each opened with 1,000', result.stocks],
    ['Sales accepted', result.salesAccepted],
    ['Sales refused: not enough on hand', result.salesRefused],
    ['Returns', result.returns],
    ['Commands answered', result.commands],
    ['  of them replayed: done before', result.replayed],
    ['Tries repeated', result.retries],
    ['Commands per second', result.commandsPerSecond],
  ];
  const columns = [{ title: result.file }, { title: `${result.seconds.toFixed(1)} s`, numeric: true }];
  out.line(
    drawTable(
      out,
      columns,
      rows.map(([name, value]) => [name, count(value)]),
    ),
  );
}
