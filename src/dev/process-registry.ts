import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startedByNpm } from './npm-parent.js';
import { poll } from './poll.js';
import { messageOf } from './terminal.js';

/** A process as it can be told from a later one that got the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

export interface RegisteredProcess extends ProcessIdentity {
  readonly command: string;
  /** npm, and the shell between, where it runs as an npm script. */
  readonly ancestors?: readonly ProcessIdentity[];
}

/** Whether a process with this number runs; one that has ended and waits for its parent to notice does not. */
export function isAlive(pid: number): boolean {
  return startTimeOf(pid) !== undefined;
}

/** When the process started, in whatever form the system tells it, or undefined where there is no such process. */
export function startTimeOf(pid: number): string | undefined {
  return process.platform === 'linux' ? procStat(pid)?.startTime : psStartTime(pid);
}

function procStat(pid: number): { parent: number; startTime: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command's name stands in parentheses and may hold anything; what follows starts with field 3, the state.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, startTime] = [fields[0], Number(fields[1]), fields[19]];
  if (startTime === undefined || state === 'Z' || state === 'X') return undefined;
  return { parent, startTime };
}

function psStartTime(pid: number): string | undefined {
  const [state, ...startTime] = ps(pid, 'stat=,lstart=').split(/\s+/);
  return state === '' || state?.startsWith('Z') ? undefined : startTime.join(' ');
}

function parentOf(pid: number): number | undefined {
  const parent = Number(process.platform === 'linux' ? procStat(pid)?.parent : ps(pid, 'ppid='));
  return parent > 0 ? parent : undefined;
}

/** npm, and the shell that it runs scripts through where that has not become our process. */
function npmAncestors(): number[] {
  if (!startedByNpm()) return [];
  const npm = /(^|[/-])(ba|da|z|k|a)?sh$/.test(ps(process.ppid, 'comm='))
    ? parentOf(process.ppid)
    : undefined;
  return npm === undefined ? [process.ppid] : [process.ppid, npm];
}

/** What ps tells of a process; nothing where there is none. */
function ps(pid: number, columns: string): string {
  try {
    return execFileSync('ps', ['-o', columns, '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

function identify(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

function lives(one: ProcessIdentity): boolean {
  return startTimeOf(one.pid) === one.startTime;
}

/** Remembers in files which processes were started, so that a later run finds those that outlived a crash. */
export class ProcessRegistry {
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
  }

  /** Writes down a process that was just started. */
  record(name: string, pid: number, command: string): void {
    const identity = identify(pid);
    if (identity === undefined) return;
    writeFileSync(this.file(name), JSON.stringify({ ...identity, command }));
  }

  /**
   * Writes down this very process under a name that only one process at a time may hold.
   *
   * @returns undefined, or the living process that holds the name.
   */
  claim(name: string, command: string): RegisteredProcess | undefined {
    const ancestors = npmAncestors().flatMap((pid) => identify(pid) ?? []);
    const entry: RegisteredProcess = { ...identify(process.pid)!, command, ancestors };
    // A link to a file that is already complete: nobody ever reads half an entry.
    const draft = `${this.file(name)}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(entry));
    try {
      while (!linked(draft, this.file(name))) {
        const holder = this.living(name);
        if (holder !== undefined) return holder;
        this.forget(name);
      }
      return undefined;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  /** The process of this name, where it still lives. */
  living(name: string): RegisteredProcess | undefined {
    const entry = this.read(name);
    return entry !== undefined && lives(entry) ? entry : undefined;
  }

  forget(name: string): void {
    rmSync(this.file(name), { force: true });
  }

  /**
   * Ends a process that is not our child, one that an earlier run left behind, say: asks it with `signal`, waits, then
   * kills it.
   *
   * @returns its process id, or undefined where there was none.
   */
  async endOrphan(
    name: string,
    signal: NodeJS.Signals = 'SIGTERM',
    waitMs = 15_000,
  ): Promise<number | undefined> {
    const orphan = this.living(name);
    if (orphan !== undefined) await endIdentified(orphan, signal, waitMs);
    this.forget(name);
    return orphan?.pid;
  }

  private read(name: string): RegisteredProcess | undefined {
    try {
      return JSON.parse(readFileSync(this.file(name), 'utf8'));
    } catch {
      return undefined;
    }
  }

  private file(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}

function linked(target: string, name: string): boolean {
  try {
    linkSync(target, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether the npm that started this process is gone, so that nobody waits for it any more. */
export function isOrphaned(entry: RegisteredProcess): boolean {
  return entry.ancestors?.some((ancestor) => !lives(ancestor)) ?? false;
}

/** Ends a process that is not our child: a signal, a bounded wait in milliseconds, then SIGKILL. */
export async function endProcessById(pid: number, signal: NodeJS.Signals, waitMs: number): Promise<void> {
  const identity = identify(pid);
  if (identity !== undefined) await endIdentified(identity, signal, waitMs);
}

async function endIdentified(one: ProcessIdentity, signal: NodeJS.Signals, waitMs: number): Promise<void> {
  const killWaitMs = 5_000;
  for (const [next, patienceMs] of [
    [signal, waitMs],
    ['SIGKILL', killWaitMs],
  ] as const) {
    if (!lives(one)) return;
    send(one.pid, next);
    if ((await poll(() => (lives(one) ? undefined : true), patienceMs)) === true) return;
  }
  throw new Error(`Process ${one.pid} does not end, not even by SIGKILL.`);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
    throw new Error(`Process ${pid} cannot be ended (${messageOf(error)}): end it yourself.`);
  }
}
