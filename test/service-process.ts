import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { defaultRedisUrl } from '../src/dev/default-redis.js';
import { SERVICE_NODE_ARGUMENTS, serviceProgram } from '../src/service-command.js';

/** A real service: `node dist/src/main.js` in a process of its own, on free ports of loopback. */
export interface ServiceProcess {
  readonly pid: number;
  readonly grpcAddress: string;
  readonly httpUrl: string;
  readonly metricsUrl: string;
  /** The last lines that it wrote. */
  readonly output: readonly string[];
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves when the process is gone. */
  kill9(): Promise<void>;
}

export interface ServiceOptions {
  readonly databaseUrl: string;
  readonly replicaUrls?: readonly string[];
  /** None where nothing is said; one that does not answer in `npm test -- --redis=down`. */
  readonly redisUrl?: string | undefined;
  readonly environment?: Readonly<Record<string, string>>;
  /** Modules to load before the service, for mutants (`--import`). */
  readonly imports?: readonly string[];
}

/** The line that the service logs once it takes requests. */
interface ServingLine {
  readonly msg: 'serving';
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly metricsPort: number;
}

const START_TIMEOUT_MS = 60_000;

/** Starts a service; resolves when it takes requests, rejects with its output where it ends before. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const imports = (options.imports ?? []).flatMap((module) => ['--import', module]);
  const child = spawn(process.execPath, [...SERVICE_NODE_ARGUMENTS, ...imports, serviceProgram()], {
    env: { ...inherited(options), ...environmentOf(options), ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  const output: string[] = [];
  const { grpcPort, httpPort, metricsPort } = await serving(child, output);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    await ended;
    return child.exitCode;
  };
  return {
    pid: child.pid ?? 0,
    grpcAddress: `127.0.0.1:${grpcPort}`,
    httpUrl: `http://127.0.0.1:${httpPort}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    output,
    stop: () => end('SIGTERM'),
    kill9: async () => {
      await end('SIGKILL');
    },
  };
}

/**
 * What any program needs of our environment, and none of the settings of another Onhand. What runs in a mutant is not
 * counted: its code is another one.
 */
const inherited = ({ imports = [] }: ServiceOptions): NodeJS.ProcessEnv => {
  const wanted = ['PATH', 'HOME', ...(imports.length === 0 ? ['NODE_V8_COVERAGE'] : [])];
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => wanted.includes(name)));
};

const environmentOf = ({
  redisUrl = defaultRedisUrl(),
  ...options
}: ServiceOptions): Record<string, string> => ({
  DATABASE_URL: options.databaseUrl,
  ...(options.replicaUrls === undefined ? {} : { DATABASE_REPLICA_URLS: options.replicaUrls.join(',') }),
  ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
  ONHAND_HOST: '127.0.0.1',
  ONHAND_GRPC_PORT: '0',
  ONHAND_HTTP_PORT: '0',
  ONHAND_METRICS_PORT: '0',
  ONHAND_PG_POOL_MAX: '10',
  ONHAND_PG_POOL_MIN: '0',
});

/** Reads the service's log until it serves. Keeps reading after that, so that the pipe never fills. */
function serving(child: ChildProcess, output: string[]): Promise<ServingLine> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL');
      reject(new Error(`the service ${why}\n${output.join('\n')}`));
    };
    const timeout = setTimeout(() => fail(`did not serve within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    // By then all that it wrote has been read.
    child.once('close', (code, signal) => {
      clearTimeout(timeout);
      fail(`ended before it served (${code ?? signal})`);
    });
    const read = (line: string) => {
      output.push(line);
      if (output.length > 200) output.shift();
      if (!line.includes('"msg":"serving"')) return;
      clearTimeout(timeout);
      resolve(JSON.parse(line));
    };
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', read);
    }
  });
}
