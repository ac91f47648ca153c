import { SERVICE_NODE_ARGUMENTS, serviceProgram } from '../service-command.js';
import { LogTail } from './log-tail.js';
import { poll } from './poll.js';
import { endProcess, logPosition, spawnServer } from './server-process.js';
import type { Running } from './supervisor.js';
import { complain } from './terminal.js';

const readyTimeoutMs = 30_000;
/** A little longer than the service gives itself to finish what it has begun. */
const stopTimeoutMs = 25_000;
const pinoWarn = 40;

export interface ServiceOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** Answers 200 when the service can serve. */
  readonly readyUrl: string;
  /** Gets everything that the service logs; warnings and errors are shown on the terminal, too. */
  readonly logFile: string;
  readonly onSpawn: (pid: number) => void;
}

/** Starts the service as a process of its own and waits until it is ready. */
export async function startServiceChild(options: ServiceOptions, signal: AbortSignal): Promise<Running> {
  const tail = new LogTail(options.logFile, logPosition(options.logFile), (line) => {
    const shown = forTerminal(line);
    if (shown !== undefined) complain(shown);
  });
  const service = spawnServer({
    command: process.execPath,
    args: [...SERVICE_NODE_ARGUMENTS, serviceProgram()],
    logFile: options.logFile,
    env: options.environment,
    onSpawn: options.onSpawn,
  });
  const exited = service.exited.finally(() => tail.close());
  const stop = () => endProcess(service, [['SIGTERM', stopTimeoutMs]]);
  const ready = await poll(
    async () => {
      if (service.hasExited() || signal.aborted) return false;
      return (await isReady(options.readyUrl)) ? true : undefined;
    },
    readyTimeoutMs,
    50,
  );
  if (ready === true && !service.hasExited()) return { exited, stop };
  const ended = service.hasExited();
  await stop();
  await exited;
  signal.throwIfAborted();
  const problem = ended ? 'ended before it was ready' : `is not ready after ${readyTimeoutMs} ms`;
  throw new Error(`The service ${problem}: see above and ${options.logFile}.`);
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

interface LogLine {
  readonly level?: number | string;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
}

/** Warnings and errors in short; what is no log line (a crash of Node, say) as it is; nothing else. */
export function forTerminal(line: string): string | undefined {
  let entry: LogLine;
  try {
    entry = JSON.parse(line) as LogLine;
  } catch {
    return `service: ${line}`;
  }
  const quiet =
    typeof entry.level === 'number'
      ? entry.level < pinoWarn
      : /^(trace|debug|info)$/i.test(entry.level ?? '');
  if (quiet) return undefined;
  return ['service', entry.msg, entry.err?.message].filter((part) => part !== undefined).join(': ');
}
