import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { poll } from '../src/dev/poll.js';
import { projectRoot } from '../src/project-root.js';

const PATIENCE_MS = 60_000;

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
  /** Waits until it has said this, on either stream; fails with all it said where it ends before, or says nothing. */
  says(text: string | RegExp): Promise<void>;
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
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
  const says = async (text: string | RegExp) => {
    const hasSaid = () => `${said.out}${said.err}`.search(text) >= 0;
    const found = await poll(() => {
      if (hasSaid()) return true;
      return child.exitCode === null && child.signalCode === null ? undefined : hasSaid();
    }, PATIENCE_MS);
    if (found !== true) throw new Error(`It did not say ${text}:\n${said.out}\n${said.err}`);
  };
  return { child, ended, says };
}

/** What any program needs of our environment; nothing of it is the tool's own setting. */
const inherited = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => ['PATH', 'HOME', 'NODE_V8_COVERAGE'].includes(name)),
  );
