import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, type Command } from 'commander';
import { Holds } from '../dev/holds.js';
import { ProcessRegistry } from '../dev/process-registry.js';
import { type HoldableProcess, stackProcesses } from '../dev/stack-processes.js';
import { dataDirOf } from '../dev/start-options.js';
import type { CommandLine } from './command-line.js';
import { printJson, type Session } from './session.js';
import { UnavailableError } from './unavailable-error.js';

const TITLES: Readonly<Record<HoldableProcess, string>> = {
  redis: 'Redis',
  'postgres-replica': 'The replica',
};
/** A replica may have to be copied anew. */
const START_TIMEOUT_MS = 120_000;

export function addDev(line: CommandLine): void {
  const dev = line.add({
    name: 'dev',
    does: 'Stops and starts parts of what npm start runs, to see the service go on without them.',
    more: ['It finds npm start by its data folder, ONHAND_DATA_DIR or .onhand.'],
    examples: ['dev stop redis', 'dev start redis', 'dev stop postgres-replica'],
  });
  const add = (
    name: string,
    does: string,
    act: (stack: LocalStack, part: HoldableProcess) => Promise<string>,
  ) =>
    line
      .add({ name, does, examples: [`dev ${name} redis`, `dev ${name} postgres-replica`] }, dev)
      .addArgument(new Argument('<part>', 'what of it').choices(Object.keys(TITLES)))
      .action((part: HoldableProcess, _given: object, command: Command) =>
        line.run(command, async (session) => {
          const message = await act(new LocalStack(dataDirOf(line.environment)), part);
          report(session, part, name === 'stop' ? 'stopped' : 'running', message);
        }),
      );
  add('stop', 'Stops a part; it stays down until dev start.', (stack, part) => stack.stop(part));
  add('start', 'Starts a part again, and waits until it runs.', (stack, part) => stack.start(part));
}

function report(session: Session, part: HoldableProcess, state: string, message: string): void {
  if (session.options.json) printJson(session, { part, state });
  else session.terminal.out.line(message);
}

/** What npm start runs, as its data folder shows it. */
class LocalStack {
  readonly #registry: ProcessRegistry;
  readonly #holds: Holds;

  /** @throws UnavailableError if there is no npm start */
  constructor(private readonly dataDir: string) {
    const folder = join(dataDir, 'run');
    if (!existsSync(folder)) throw this.#notStarted();
    this.#registry = new ProcessRegistry(folder);
    this.#holds = new Holds(folder);
    if (this.#registry.living('start') === undefined) throw this.#notStarted();
  }

  async stop(part: HoldableProcess): Promise<string> {
    const held = this.#holds.isHeld(part);
    if (!held && this.#registry.living(part) === undefined) throw this.#notThere(part);
    // First the word to npm start, which would start again what ends.
    this.#holds.hold(part);
    const { signal, waitMs } = stackProcesses.find(({ name }) => name === part)!;
    const pid = await this.#registry.endOrphan(part, signal, waitMs);
    const more = `Start it again with: onhand dev start ${part}`;
    return pid === undefined
      ? `${TITLES[part]} was stopped already. ${more}`
      : `${TITLES[part]} is stopped. ${more}`;
  }

  async start(part: HoldableProcess): Promise<string> {
    const released = this.#holds.release(part);
    if (!released && this.#registry.living(part) === undefined) throw this.#notThere(part);
    if (!(await this.#holds.runsWithin(part, START_TIMEOUT_MS))) {
      const log = join(this.dataDir, `${part}.log`);
      throw new UnavailableError(
        `${TITLES[part]} does not run yet: see the terminal of npm start, and ${log}.`,
      );
    }
    return released ? `${TITLES[part]} runs again.` : `${TITLES[part]} runs.`;
  }

  #notStarted(): UnavailableError {
    return new UnavailableError(
      `npm start does not run on ${this.dataDir}. Start it, or set ONHAND_DATA_DIR to where it runs.`,
    );
  }

  #notThere(part: HoldableProcess): UnavailableError {
    return new UnavailableError(`npm start on ${this.dataDir} runs no ${part}.`);
  }
}
