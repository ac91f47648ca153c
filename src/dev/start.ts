import { join } from 'node:path';
import { migrate } from '../postgres/migrate.js';
import { banner } from './banner.js';
import { seedWithProgress } from './demo-progress.js';
import { Holds } from './holds.js';
import { whenNpmIsGone } from './npm-parent.js';
import { isPortFree, portOwner } from './ports.js';
import { endProcessById, isOrphaned, ProcessRegistry } from './process-registry.js';
import { makePassableFolder } from './server-account.js';
import { Stack } from './stack.js';
import { stackProcesses } from './stack-processes.js';
import { readStartOptions, type StartOptions, startUsage } from './start-options.js';
import { Supervisor } from './supervisor.js';
import { complain, messageOf, say } from './terminal.js';

const takeOverTimeoutMs = 60_000;
/** Ctrl-C in a terminal arrives twice: from the terminal and from npm. Only a later one is meant as another. */
const sameSignalMs = 1_000;

async function main(): Promise<void> {
  const options = readStartOptions(process.argv.slice(2), process.env);
  if (options.help) return say(startUsage);
  makePassableFolder(options.dataDir);
  const registry = new ProcessRegistry(join(options.dataDir, 'run'));
  await becomeTheOnlyOne(registry, options.dataDir);
  const shutdown = new Shutdown(registry);
  try {
    await endOrphans(registry);
    await startAll(options, registry, shutdown.supervisor);
  } catch (error) {
    await shutdown.begin(1, messageOf(error));
  }
}

async function startAll(
  options: StartOptions,
  registry: ProcessRegistry,
  supervisor: Supervisor,
): Promise<void> {
  const holds = new Holds(join(options.dataDir, 'run'));
  holds.clear();
  const stack = new Stack(options, registry, supervisor, holds);
  await stack.endUnregistered();
  await refuseTakenPorts(stack);
  if (options.fresh) stack.startOver();
  stack.rotateLogs();
  const databases = await stack.startDatabases();
  const { applied } = await migrate(databases.databaseUrl);
  if (applied.length > 0) say(`Migrated the database: ${applied.join(', ')}.`);
  if (options.demo) await seedWithProgress(databases.databaseUrl);
  await supervisor.start(stack.service(databases));
  say(banner(options, stack.facts(databases)));
}

/** One start at a time per data folder. One whose npm was killed has nobody left who could stop it: it makes way. */
async function becomeTheOnlyOne(registry: ProcessRegistry, dataDir: string): Promise<void> {
  let holder = registry.claim('start', 'npm start');
  if (holder !== undefined && isOrphaned(holder)) {
    say(`An earlier npm start (process ${holder.pid}) was left behind and is stopped first.`);
    await endProcessById(holder.pid, 'SIGTERM', takeOverTimeoutMs);
    holder = registry.claim('start', 'npm start');
  }
  if (holder === undefined) return;
  throw new Error(
    `Onhand already runs on ${dataDir}: process ${holder.pid}. Stop it with Ctrl-C in its terminal or "kill ${holder.pid}", ` +
      'or set ONHAND_DATA_DIR (and the ports) to run a second one.',
  );
}

async function endOrphans(registry: ProcessRegistry): Promise<void> {
  for (const { name, title, signal, waitMs } of stackProcesses) {
    const pid = await registry.endOrphan(name, signal, waitMs);
    if (pid !== undefined) say(`Ended ${title} (process ${pid}) that an earlier run left behind.`);
  }
}

async function refuseTakenPorts(stack: Stack): Promise<void> {
  const problems: string[] = [];
  for (const { port, host, what, variable } of stack.ports()) {
    if (await isPortFree(host, port)) continue;
    const owner = portOwner(port);
    const by = owner === undefined ? 'another process' : `process ${owner}`;
    problems.push(`Port ${port} (${what}) is taken by ${by}: end that, or set ${variable} to another port.`);
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** Stops everything in order, once, for whatever reason; a second Ctrl-C does not wait. */
class Shutdown {
  readonly supervisor = new Supervisor((reason) => void this.begin(1, reason));
  private begunAt: number | undefined;
  private forced = false;

  constructor(private readonly registry: ProcessRegistry) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.onSignal());
    whenNpmIsGone(() => void this.begin(0));
    // A terminal that was closed takes no more lines; that must not keep us from stopping in order.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  /** Never returns: the process ends with this code. */
  async begin(exitCode: number, reason?: string): Promise<void> {
    if (this.begunAt !== undefined) return;
    this.begunAt = performance.now();
    if (reason !== undefined) complain(reason);
    await this.supervisor.stop();
    this.leave(exitCode);
  }

  private onSignal(): void {
    if (this.begunAt === undefined) {
      say('Stopping. Press Ctrl-C again to stop at once.');
      void this.begin(0);
    } else if (performance.now() - this.begunAt > sameSignalMs) {
      void this.force();
    }
  }

  private async force(): Promise<void> {
    this.forced = true;
    say('Stopping at once.');
    for (const { name, atOnce } of stackProcesses) await this.registry.endOrphan(name, atOnce, 3_000);
    this.leave(1);
  }

  /** What is ended by force ends the orderly stop, too, which then comes here first. */
  private leave(exitCode: number): never {
    for (const { name } of stackProcesses) this.registry.forget(name);
    this.registry.forget('start');
    process.exit(this.forced ? 1 : exitCode);
  }
}

try {
  await main();
} catch (error) {
  complain(messageOf(error));
  process.exitCode = 1;
}
