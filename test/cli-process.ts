import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { projectRoot } from '../src/project-root.js';

/** What one run of the command line tool left behind. */
export interface CliRun {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  /** What it reads from standard input. */
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A run that has not ended yet. */
export interface StartedCli {
  readonly child: ChildProcess;
  readonly ended: Promise<CliRun>;
}

/** Runs the compiled tool in a process of its own, in the project's folder, against the service at `grpcAddress`. */
export const runCliProcess = (
  grpcAddress: string,
  words: readonly string[],
  options: CliOptions = {},
): Promise<CliRun> => startCliProcess(grpcAddress, words, options).ended;

export function startCliProcess(
  grpcAddress: string,
  words: readonly string[],
  { input, environment = {} }: CliOptions = {},
): StartedCli {
  const main = join(projectRoot(), 'dist/src/cli/main.js');
  const child = spawn(process.execPath, ['--enable-source-maps', main, ...words, '--server', grpcAddress], {
    cwd: projectRoot(),
    env: { ...inherited(), ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // it need not read it
  child.stdin.end(input);
  const ended = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]).then(
    ([[code], out, err]) => ({ code: code as number | null, out, err }),
  );
  return { child, ended };
}

/** What any program needs of our environment; nothing of it is the tool's own setting. */
const inherited = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => ['PATH', 'HOME', 'NODE_V8_COVERAGE'].includes(name)),
  );
