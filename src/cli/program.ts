import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { metadataPair, namespace, serverAddress, units, uuid, version, wholeNumber } from './arguments.js';
import { change } from './change-commands.js';
import { EXIT, EXIT_CODES_HELP, reportFailure } from './failure-report.js';
import { get, list } from './read-commands.js';
import { replay } from './replay-command.js';
import { REPLAY_NAMESPACE } from './replay-plan.js';
import { type Session, type SharedOptions, withSession } from './session.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

const PROGRAM = 'npm run -s onhand --';
const DEFAULT_PAGE_SIZE = 50;

/**
 * Runs one command line.
 *
 * @param words the words after the program's name
 * @returns the exit code, see EXIT_CODES_HELP
 */
export async function runCli(
  words: readonly string[],
  environment: Environment,
  terminal: Terminal,
): Promise<number> {
  let program: Command | undefined;
  try {
    program = new CommandLine(environment, terminal).build();
    await program.parseAsync(words, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    // Commander has said what is wrong already; --help ends this way too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { server = '', json = false } = program?.opts<Partial<SharedOptions>>() ?? {};
    return reportFailure(error, terminal, { server, json });
  }
}

/** The commands, their arguments and their help. */
class CommandLine {
  readonly #program = new Command();

  constructor(
    private readonly environment: Environment,
    private readonly terminal: Terminal,
  ) {}

  build(): Command {
    const { out, err } = this.terminal;
    this.#program
      .name(PROGRAM)
      .description('Asks and changes the stock of an Onhand service over gRPC.')
      .option('--server <host:port>', 'the service', serverAddress, defaultServer(this.environment))
      .option('--json', 'print one JSON document (int64 as text) in place of tables')
      .option('--deadline-ms <ms>', 'how long to wait for an answer', wholeNumber(1, 30_000), 5_000)
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({
        writeOut: (text) => out.stream.write(text),
        writeErr: (text) => err.stream.write(text),
        outputError: (text, write) => write(text.replace(/^error:/, err.paint('red', 'Error:'))),
      })
      .showHelpAfterError('(add --help for how to use it)')
      .exitOverride()
      .addHelpText(
        'after',
        helpEnd(
          'get STORE_001 PROD_0001',
          'list --product PROD_0001',
          'sell STORE_001 PROD_0001 2',
          'restock STORE_001 PROD_0001 50',
          'replay data/online-retail-lines.csv.gz',
        ),
      );
    this.#addGet();
    this.#addList();
    this.#addChange('Sell', 'sell', 'Takes units from a stock, all of them or none.');
    this.#addChange('Restock', 'restock', 'Adds units to a stock; makes the stock if there is none.');
    this.#addReplay();
    return this.#program;
  }

  #addGet(): void {
    const does = 'Shows one stock, where it was read and how old the answer can be.';
    const examples = ['get STORE_001 PROD_0001', 'get STORE_001 PROD_0001 --strong --json'];
    this.#addStockCommand('get', does, [], examples)
      .option('--strong', 'read from the primary: nothing acknowledged before is missing')
      .option('--min-version <n>', 'ask for this version (as a write returned it) or a later one', version)
      .action((storeId: string, productId: string, given: GetOptions, command: Command) => {
        const { strong = false, minVersion = '0' } = given;
        return this.#run(command, (session) => get(session, { storeId, productId, strong, minVersion }));
      });
  }

  #addList(): void {
    const does = 'Lists the stocks of a store, or of a product in all stores.';
    const examples = ['list --store STORE_001', 'list --product PROD_0001 --all'];
    this.#addCommand('list', does, [], examples)
      .option('--store <id>', 'only this store; it or --product is needed')
      .option('--product <id>', 'only this product; it or --store is needed')
      .option('--page-size <n>', 'stocks a page, 1 to 500', wholeNumber(1, 500), DEFAULT_PAGE_SIZE)
      .option('--page-token <token>', 'go on where an earlier page ended')
      .option('--all', 'show every page')
      .option('--strong', 'read from the primary: nothing acknowledged before is missing')
      .action((given: ListOptions, command: Command) => {
        const { store = '', product = '', pageToken = '', all = false, strong = false, pageSize } = given;
        if (store === '' && product === '')
          throw new UsageError('Say what to list: --store ID, --product ID, or both.');
        const wanted = { storeId: store, productId: product, pageSize, pageToken, all, strong };
        return this.#run(command, (session) => list(session, wanted));
      });
  }

  #addChange(rpc: 'Sell' | 'Restock', name: string, does: string): void {
    const safety = [
      'Without --event-id one is made and shown before the command leaves. If no answer comes, repeat the command with that event id: it counts once.',
      'A service that is unavailable is tried 3 times.',
    ];
    const examples = [
      `${name} STORE_001 PROD_0001 2`,
      `${name} STORE_001 PROD_0001 2 --event-id 01890a5d-ac96-774b-bcce-b302099a8057 --metadata till=4`,
    ];
    this.#addStockCommand(name, does, safety, examples)
      .argument('<quantity>', 'units, 1 to 10,000', units)
      .option('--event-id <uuid>', 'the idempotency key of this command', uuid)
      .option('--metadata <key=value>', 'kept with the event; may be repeated', metadataPair)
      .action(
        (storeId: string, productId: string, quantity: number, given: ChangeOptions, command: Command) => {
          const { eventId, metadata = {} } = given;
          return this.#run(command, (session) =>
            change(session, rpc, { storeId, productId, quantity, eventId, metadata }),
          );
        },
      );
  }

  #addReplay(): void {
    const does = 'Sends the lines of an invoice file as sales and returns.';
    const rules = [
      'FILE is CSV (gzipped if it ends in .gz) with the columns invoice_no, stock_code, quantity, unit_price, country. A country is a store, a stock code a product.',
      'Every stock opens with a restock of 1,000. A line below 0 is a return, sent as a restock. Lines of one stock go in the order of the file, many stocks at once.',
      'Event ids follow from the line numbers, so that a second run changes nothing: all of it is replayed. Another file needs another --namespace.',
    ];
    this.#addCommand('replay', does, rules, ['replay data/online-retail-lines.csv.gz'])
      .argument('<file>', 'the invoice file')
      .option('--concurrency <n>', 'stocks worked on at once, 1 to 1000', wholeNumber(1, 1_000), 256)
      .option('--namespace <uuid>', 'the UUIDv5 namespace of the event ids', namespace, REPLAY_NAMESPACE)
      .action((file: string, given: ReplayOptions, command: Command) => {
        const wanted = { ...given, file: resolve(callersFolder(this.environment), file) };
        return this.#run(command, (session) => replay(session, wanted), given.concurrency);
      });
  }

  #addStockCommand(
    name: string,
    does: string,
    more: readonly string[],
    examples: readonly string[],
  ): Command {
    return this.#addCommand(name, does, more, examples)
      .argument('<store>', 'store id, 1 to 50 characters')
      .argument('<product>', 'product id, 1 to 50 characters');
  }

  #addCommand(name: string, does: string, more: readonly string[], examples: readonly string[]): Command {
    return this.#program
      .command(name)
      .summary(does)
      .description([does, ...more].join('\n\n'))
      .addHelpText('after', helpEnd(...examples));
  }

  #run(command: Command, work: (session: Session) => Promise<void>, concurrency = 1): Promise<void> {
    const { server, deadlineMs, json = false } = command.optsWithGlobals<GivenSharedOptions>();
    return withSession(this.terminal, { server, deadlineMs, json }, work, concurrency);
  }
}

interface GivenSharedOptions {
  readonly server: string;
  readonly deadlineMs: number;
  readonly json?: boolean;
}

interface GetOptions {
  readonly strong?: boolean;
  readonly minVersion?: string;
}

interface ListOptions {
  readonly store?: string;
  readonly product?: string;
  readonly pageSize: number;
  readonly pageToken?: string;
  readonly all?: boolean;
  readonly strong?: boolean;
}

interface ChangeOptions {
  readonly eventId?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

interface ReplayOptions {
  readonly concurrency: number;
  readonly namespace: string;
}

function helpEnd(...examples: string[]): string {
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

/** npm runs scripts in the project's folder; the person typed the path somewhere else, perhaps. */
function callersFolder(environment: Environment): string {
  const npmsFolder = environment.npm_lifecycle_event === 'onhand' ? environment.INIT_CWD : undefined;
  return npmsFolder ?? process.cwd();
}
