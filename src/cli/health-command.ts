import { OnhandError } from '@onhand/client';
import type { Command } from 'commander';
import type { CommandLine } from './command-line.js';
import { EXIT, reasonOf } from './failure-report.js';
import type { Consistency, Freshness } from './messages.js';
import { printJson, type Session } from './session.js';
import { drawTable, freshnessText } from './tables.js';
import type { TextChannel } from './terminal.js';

const SERVICE = 'inventory.v1.InventoryService';
const SERVING = 'SERVING';

export function addHealth(line: CommandLine): void {
  line
    .add({
      name: 'health',
      does: 'Asks whether the service answers reads and takes writes; exits with 3 where it does not.',
      examples: ['health', 'health --json --server 10.0.0.7:50051'],
    })
    .action((_given: object, command: Command) => line.run(command, health));
}

/** One line of the answer. */
interface Check {
  readonly check: string;
  readonly status: string;
  readonly detail: string;
}

/**
 * Asks grpc.health.v1 about the service and about its writes, and the service itself where it reads from: by default,
 * and from the primary.
 */
async function health(session: Session): Promise<void> {
  const deadline = Date.now() + session.options.deadlineMs;
  const statusOf = (service: string) => session.client.health(service, deadline);
  const [service, writes] = [await statusOf(SERVICE), await statusOf(`${SERVICE}/writes`)];
  const checks: Check[] = [
    {
      check: 'Service',
      status: service,
      detail: service === SERVING ? `Answers at ${session.options.server}.` : 'Wants no calls.',
    },
    {
      check: 'Writes',
      status: writes,
      detail: writes === SERVING ? 'The primary takes them.' : 'The primary takes none.',
    },
    await readCheck(session, 'Reads', 'CONSISTENCY_UNSPECIFIED', deadline),
    await readCheck(session, 'Strong reads', 'CONSISTENCY_STRONG', deadline),
  ];
  const serving = checks.every(({ status }) => status === SERVING);
  if (!serving) session.endWith(EXIT.unavailable);
  if (session.options.json) return printJson(session, { server: session.options.server, serving, checks });
  const { out } = session.terminal;
  out.line(
    drawTable(
      out,
      COLUMNS,
      checks.map((check) => row(out, check)),
    ),
  );
}

/** Reads a stock that nobody has: the answer still says where it was sought and how old that is. */
async function readCheck(
  { client }: Session,
  check: string,
  consistency: Consistency,
  deadline: number,
): Promise<Check> {
  const keys = [{ storeId: '-', productId: '-' }];
  try {
    const answer: Freshness = await client.call('BatchGet', { keys, consistency }, deadline);
    return { check, status: SERVING, detail: freshnessText(answer) };
  } catch (error) {
    if (!(error instanceof OnhandError)) throw error;
    return { check, status: reasonOf(error) || error.codeName, detail: error.message };
  }
}

const COLUMNS = [{ title: 'Check' }, { title: 'Status' }, { title: '' }];

const row = (out: TextChannel, { check, status, detail }: Check): string[] => [
  check,
  out.paint(status === SERVING ? 'green' : 'red', status),
  detail,
];
