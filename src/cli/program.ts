import { CommanderError } from 'commander';
import { addApply } from './apply-command.js';
import { addRestock, addSell } from './change-commands.js';
import { CommandLine, type Environment, helpEnd } from './command-line.js';
import { addCompletion } from './completion-command.js';
import { addDev } from './dev-command.js';
import { addEvents } from './events-command.js';
import { EXIT, reportFailure } from './failure-report.js';
import { addHealth } from './health-command.js';
import { addGet, addList } from './read-commands.js';
import { addReplay } from './replay-command.js';
import type { SharedOptions } from './session.js';
import type { Terminal } from './terminal.js';
import { addWatch } from './watch-command.js';

/** All commands, in the order in which help lists them. */
const COMMANDS = [
  addGet,
  addList,
  addSell,
  addRestock,
  addApply,
  addEvents,
  addWatch,
  addReplay,
  addHealth,
  addDev,
  addCompletion,
];

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
  let line: CommandLine | undefined;
  try {
    line = new CommandLine(environment, terminal);
    for (const addTo of COMMANDS) addTo(line);
    line.root.addHelpText('after', helpEnd(EXAMPLES));
    await line.root.parseAsync(words, { from: 'user' });
    return line.exitCode;
  } catch (error) {
    // Commander has said what is wrong already; --help ends this way too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { server = '', json = false } = line?.root.opts<Partial<SharedOptions>>() ?? {};
    return reportFailure(error, terminal, { server, json });
  }
}

const EXAMPLES = [
  'get STORE_001 PROD_0001',
  'list --product PROD_0001',
  'sell STORE_001 PROD_0001 2',
  'restock STORE_001 PROD_0001 50',
  'apply delivery.csv',
  'events --store STORE_001 --product PROD_0001',
  'watch --store STORE_001',
  'replay data/online-retail-lines.csv.gz',
];
