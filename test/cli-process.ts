import { spawn } from 'node:child_process';
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

/** Runs the compiled tool in a process of its own, in the project's folder, against the service at `grpcAddress`. */
export async function runCliProcess(grpcAddress: string, words: readonly string[]): Promise<CliRun> {
  const main = join(projectRoot(), 'dist/src/cli/main.js');
  const child = spawn(process.execPath, ['--enable-source-maps', main, ...words, '--server', grpcAddress], {
    cwd: projectRoot(),
    env: inherited(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [[code], out, err] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code: code as number | null, out, err };
}

/** What any program needs of our environment; nothing of it is the tool's own setting. */
const inherited = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => ['PATH', 'HOME', 'NODE_V8_COVERAGE'].includes(name)),
  );
