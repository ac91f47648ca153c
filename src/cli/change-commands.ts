import { OnhandError } from '@onhand/client';
import type { Command } from 'commander';
import { v7 as uuidv7 } from 'uuid';
import { metadataPair, units, uuid } from './arguments.js';
import { type CommandLine, PRODUCT, STORE } from './command-line.js';
import type { ChangeRequest, ChangeResponse } from './messages.js';
import { COMMAND_RETRIES, withRetries } from './retries.js';
import { printJson, type Session } from './session.js';
import { type Column, count, drawTable } from './tables.js';

export const addSell = (line: CommandLine): void =>
  addChange(line, 'Sell', 'sell', 'Takes units from a stock, all of them or none.');

export const addRestock = (line: CommandLine): void =>
  addChange(line, 'Restock', 'restock', 'Adds units to a stock; makes the stock if there is none.');

function addChange(line: CommandLine, rpc: 'Sell' | 'Restock', name: string, does: string): void {
  const more = [
    'Without --event-id one is made and shown before the command leaves. If no answer comes, repeat the command with that event id: it counts once.',
    'A service that is unavailable is tried 3 times.',
  ];
  const examples = [
    `${name} STORE_001 PROD_0001 2`,
    `${name} STORE_001 PROD_0001 2 --event-id 01890a5d-ac96-774b-bcce-b302099a8057 --metadata till=4`,
  ];
  line
    .add({ name, does, more, examples })
    .argument(...STORE)
    .argument(...PRODUCT)
    .argument('<quantity>', 'units, 1 to 10,000', units)
    .option('--event-id <uuid>', 'the idempotency key of this command', uuid)
    .option('--metadata <key=value>', 'kept with the event; may be repeated', metadataPair)
    .action(
      (storeId: string, productId: string, quantity: number, given: ChangeOptions, command: Command) => {
        const { eventId, metadata = {} } = given;
        const wanted = { storeId, productId, quantity, eventId, metadata };
        return line.run(command, (session) => change(session, rpc, wanted));
      },
    );
}

interface ChangeOptions {
  readonly eventId?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What `sell` and `restock` ask for; without an event id one is made. */
export interface ChangeArguments {
  readonly storeId: string;
  readonly productId: string;
  readonly quantity: number;
  readonly eventId: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Sells or restocks. The event id is made and shown before the command leaves, and each try carries it: whatever happens
 * on the way, the command counts once, and the person can ask again.
 */
export async function change(
  session: Session,
  rpc: 'Sell' | 'Restock',
  wanted: ChangeArguments,
): Promise<void> {
  const { client, options, terminal } = session;
  const eventId = wanted.eventId ?? uuidv7();
  if (wanted.eventId === undefined) terminal.err.line(terminal.err.paint('dim', `Event id: ${eventId}`));
  const { storeId, productId, quantity, metadata } = wanted;
  const request: ChangeRequest = { storeId, productId, quantity, eventId, metadata };
  const deadline = Date.now() + options.deadlineMs;
  try {
    const answer = await withRetries(() => client.call(rpc, request, deadline), {
      ...COMMAND_RETRIES,
      giveUpAt: deadline,
      onRetry: (failure) => terminal.err.line(terminal.err.paint('dim', `${failure.message}; trying again.`)),
    });
    if (options.json) printJson(session, answer);
    else showChange(session, rpc, quantity, answer);
  } catch (error) {
    if (error instanceof OnhandError) error.eventIds = [eventId];
    throw error;
  }
}

function showChange(
  { terminal }: Session,
  rpc: 'Sell' | 'Restock',
  quantity: number,
  answer: ChangeResponse,
): void {
  const columns: Column[] = [
    { title: 'Store' },
    { title: 'Product' },
    { title: rpc === 'Sell' ? 'Sold' : 'Added', numeric: true },
    { title: 'Before', numeric: true },
    { title: 'On hand', numeric: true },
    { title: 'Version', numeric: true },
    { title: 'Event id' },
  ];
  const { stock, quantityBefore, eventId } = answer;
  const row = [
    stock.storeId,
    stock.productId,
    count(quantity),
    count(quantityBefore),
    count(stock.quantity),
    count(stock.version),
    eventId,
  ];
  const { out } = terminal;
  out.line(drawTable(out, columns, [row]));
  if (answer.replayed)
    out.line(out.paint('yellow', 'Replayed: this event id was done before. It changed nothing now.'));
}
