import { resolve } from 'node:path';
import { styleText } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import { serverAddress, wholeNumber } from './arguments.js';
import { EXIT, EXIT_CODES_HELP, type ExitCode } from './failure-report.js';
import { type Session, type SharedOptions, withSession } from './session.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** How the program is called, in help and examples. */
export const PROGRAM = 'npm run -s onhand --';

/** The arguments that name a stock. */
export const STORE = ['<store>', 'store id, 1 to 50 characters'] as const;
export const PRODUCT = ['<product>', 'product id, 1 to 50 characters'] as const;

/** A command as its help describes it. */
export interface CommandWords {
  readonly name: string;
  readonly does: string;
  /** Further paragraphs. */
  readonly more?: readonly string[];
  /** What to type after the program's name. */
  readonly examples: readonly string[];
}

/** The commands of one run, what they share, and how it ends. */
export class CommandLine {
  readonly root: Command;
  /** What the process ends with, if no command fails. */
  exitCode: ExitCode = EXIT.ok;

  constructor(
    readonly environment: Environment,
    readonly terminal: Terminal,
  ) {
    const { out, err } = terminal;
    this.root = new Command(PROGRAM)
      .description('Asks and changes the stock of an Onhand service over gRPC.')
      .option('--server <host:port>', 'the service', serverAddress, defaultServer(environment))
      .option('--json', 'print one JSON document (int64 as text) in place of tables')
      .option('--deadline-ms <ms>', 'how long to wait for an answer', wholeNumber(1, 30_000), 5_000)
      .configureHelp({
        showGlobalOptions: true,
        styleTitle: (text) => styled('bold', text),
        styleCommandText: (text) => styled('cyan', text),
        styleSubcommandTerm: (text) => styled('cyan', text),
        styleOptionTerm: (text) => styled('cyan', text),
      })
      .configureOutput({
        writeOut: (text) => out.stream.write(text),
        writeErr: (text) => err.stream.write(text),
        // Where there are to be no colours, the library takes them out again.
        getOutHasColors: () => out.colours,
        getErrHasColors: () => err.colours,
        outputError: (text, write) => write(text.replace(/^error:/, err.paint('red', 'Error:'))),
      })
      .showHelpAfterError('(add --help for how to use it)')
      .exitOverride();
  }

  /** Adds a command, to the program or under another one. */
  add({ name, does, more = [], examples }: CommandWords, under: Command = this.root): Command {
    return under
      .command(name)
      .summary(does)
      .description([does, ...more].join('\n\n'))
      .addHelpText('after', helpEnd(examples));
  }

  /** Runs what a command does, with a client of the service that its options name. */
  run(command: Command, work: (session: Session) => Promise<void>, concurrency = 1): Promise<void> {
    const { server, deadlineMs, json = false } = command.optsWithGlobals<GivenSharedOptions>();
    const endWith = (exitCode: ExitCode) => {
      this.exitCode = exitCode;
    };
    const parts = { terminal: this.terminal, options: { server, deadlineMs, json }, endWith };
    return withSession(parts, work, concurrency);
  }

  /** A path as the person meant it: npm runs scripts in the project's folder; it may have been typed somewhere else. */
  path(given: string): string {
    const npmsFolder =
      this.environment.npm_lifecycle_event === 'onhand' ? this.environment.INIT_CWD : undefined;
    return resolve(npmsFolder ?? process.cwd(), given);
  }
}

interface GivenSharedOptions extends Omit<SharedOptions, 'json'> {
  readonly json?: boolean;
}

const styled = (style: 'bold' | 'cyan', text: string): string =>
  styleText(style, text, { validateStream: false });

/** The end of each help: examples and exit codes. */
export function helpEnd(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((example) => `  ${PROGRAM} ${example}`).join('\n')}\n\n${EXIT_CODES_HELP}`;
}

/** The service of this machine, on the port that it would take itself. */
function defaultServer(environment: Environment): string {
  const port = environment.ONHAND_GRPC_PORT || '50051';
  try {
    return serverAddress(`127.0.0.1:${port}`);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(
      `ONHAND_GRPC_PORT must be a port number from 1 to 65535, not ${JSON.stringify(port)}.`,
    );
  }
}
