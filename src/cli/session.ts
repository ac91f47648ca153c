import type { ExitCode } from './failure-report.js';
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
  /** Sets what the process ends with; 0 where nobody does. */
  readonly endWith: (exitCode: ExitCode) => void;
}

/** Runs a command with a client that is closed when it ends. */
export async function withSession(
  parts: Omit<Session, 'client'>,
  command: (session: Session) => Promise<void>,
  concurrency: number,
): Promise<void> {
  const client = new InventoryClient(parts.options.server, concurrency);
  try {
    await command({ ...parts, client });
  } finally {
    client.close();
  }
}

/** Prints the answer of --json: one document. */
export function printJson({ terminal }: Session, document: object): void {
  terminal.out.line(JSON.stringify(document, null, 2));
}
