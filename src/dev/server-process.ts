import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** The system user that a server runs as, where it is not the current one. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A server that was started as a process of its own. */
export interface ServerProcess {
  readonly pid: number;
  /** Settles when the process has ended, however it ended. */
  readonly exited: Promise<ProcessEnd>;
  hasExited(): boolean;
  signal(signal: NodeJS.Signals): void;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** stdout and stderr are appended to this file. */
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly account?: Account | undefined;
  /** Called with the process id before anything else happens, so that a crash of ours leaves a trace of it. */
  readonly onSpawn?: ((pid: number) => void) | undefined;
}

/**
 * Starts a server in a process group of its own, so that Ctrl-C in the terminal reaches only us and we decide on the
 * order in which things stop.
 */
export function spawnServer(wanted: ServerCommand): ServerProcess {
  const log = openSync(wanted.logFile, 'a', 0o600);
  try {
    const options: SpawnOptions = {
      cwd: '/',
      detached: true,
      env: wanted.env,
      stdio: ['ignore', log, log],
      ...(wanted.account && { uid: wanted.account.uid, gid: wanted.account.gid }),
    };
    return watch(spawn(wanted.command, wanted.args, options), wanted);
  } finally {
    closeSync(log);
  }
}

/** Follows a child process until it ends. */
function watch(child: ChildProcess, wanted: ServerCommand): ServerProcess {
  let ended = false;
  const exited = new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = true;
      resolve({ code, signal });
    });
  });
  child.on('error', () => undefined);
  const pid = child.pid;
  if (pid === undefined)
    throw new Error(`${wanted.command} could not be started: is it there and executable?`);
  wanted.onSpawn?.(pid);
  return {
    pid,
    exited,
    hasExited: () => ended,
    signal: (signal) => {
      if (!ended) child.kill(signal);
    },
  };
}

/**
 * Ends a process: sends each signal in turn and gives it the time named beside it, in milliseconds, before the next.
 * SIGKILL comes last, by itself.
 */
export async function endProcess(
  process: ServerProcess,
  steps: readonly (readonly [signal: NodeJS.Signals, waitMs: number])[],
): Promise<void> {
  for (const [signal, waitMs] of steps) {
    process.signal(signal);
    if (await endsWithin(process, waitMs)) return;
  }
  process.signal('SIGKILL');
  await process.exited;
}

/** Whether the process ends within this time, in milliseconds. */
export async function endsWithin(process: ServerProcess, waitMs: number): Promise<boolean> {
  const stopWaiting = new AbortController();
  const timer = pause(waitMs, false, { signal: stopWaiting.signal }).catch(() => false);
  const ended = await Promise.race([process.exited.then(() => true), timer]);
  stopWaiting.abort();
  return ended;
}

/** The size of a log now, so that later only what was added since is read. */
export function logPosition(logFile: string): number {
  return statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
}

/** What was added to the log since then. */
export function logSince(logFile: string, position: number): string {
  return existsSync(logFile) ? readFileSync(logFile).subarray(position).toString('utf8') : '';
}

/** Keeps the log of the run before beside the new one, as `.1`, and no older one. */
export function rotateLog(logFile: string): void {
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.1`);
}

/** The environment that servers get: nothing of the caller's that could change what they do (PGPORT, LC_ALL, ...). */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: '/', LANG: 'C', LC_ALL: 'C', TZ: 'UTC' };
}
