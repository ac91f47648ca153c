import { InventoryClient } from './inventory-client.js';
import type { Terminal } from './terminal.js';

/** The options that every command takes. */
export interface SharedOptions {
  readonly server: string;
  readonly json: boolean;
  readonly deadlineMs: number;
}

/** What a command works with. */
export interface Session {
  readonly terminal: Terminal;
  readonly client: InventoryClient;
  readonly options: SharedOptions;
}

/** Runs a command with a client that is closed when it ends. */
export async function withSession(
  terminal: Terminal,
  options: SharedOptions,
  command: (session: Session) => Promise<void>,
  concurrency = 1,
): Promise<void> {
  const client = new InventoryClient(options.server, concurrency);
  try {
    await command({ terminal, client, options });
  } finally {
    client.close();
  }
}

/** Prints the answer of --json: one document. */
export function printJson({ terminal }: Session, document: object): void {
  terminal.out.line(JSON.stringify(document, null, 2));
}
