import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../project-root.js';

export const startUsage = `Usage: npm start [-- options]

Starts Onhand with a PostgreSQL primary, a replica and, where there is one, Redis. Data is kept between starts.

Options:
  --fresh     start over: removes the embedded database first
  --no-demo   leave out the demo data (100 stores x 1,000 products)
  --demo      add the demo data to a database of your own (DATABASE_URL), too
  --help      show this

With DATABASE_URL set (and, if you like, DATABASE_REPLICA_URLS and REDIS_URL) it uses those and starts none of its own.
Ports and folders: ONHAND_GRPC_PORT, ONHAND_HTTP_PORT, ONHAND_METRICS_PORT, ONHAND_HOST, ONHAND_DATA_DIR,
ONHAND_DEV_PG_PORT (and the next one, for the replica), ONHAND_DEV_REDIS_PORT.`;

/** The servers that somebody else runs for us. */
export interface OwnServers {
  readonly databaseUrl: string;
  readonly replicaUrls: string | undefined;
  readonly redisUrl: string | undefined;
}

export interface StartOptions {
  readonly help: boolean;
  readonly fresh: boolean;
  readonly demo: boolean;
  readonly dataDir: string;
  readonly host: string;
  readonly primaryPort: number;
  readonly replicaPort: number;
  readonly redisPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly metricsPort: number;
  /** undefined: we start our own. */
  readonly external: OwnServers | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const highestPort = 65_535;

/**
 * What `npm start` was asked for.
 *
 * @throws Error with every problem on a line of its own.
 */
export function readStartOptions(args: readonly string[], environment: Environment): StartOptions {
  const flags = parseFlags(args);
  const problems: string[] = [];
  const port = (variable: string, fallback: number, highest = highestPort): number => {
    const text = environment[variable] || String(fallback);
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= highest) return value;
    problems.push(`${variable} must be a port from 1 to ${highest}, not "${text}".`);
    return fallback;
  };
  // The replica uses the port after it.
  const primaryPort = port('ONHAND_DEV_PG_PORT', 15_432, highestPort - 1);
  const external = externalServers(environment);
  if (flags.fresh && external !== undefined) {
    problems.push(
      '--fresh removes the embedded database, and DATABASE_URL names one of your own: leave out one of them.',
    );
  }
  const options: StartOptions = {
    help: flags.help,
    fresh: flags.fresh,
    demo: external === undefined ? !flags.noDemo : flags.demo,
    dataDir: dataDirOf(environment),
    host: environment.ONHAND_HOST || '127.0.0.1',
    primaryPort,
    replicaPort: primaryPort + 1,
    redisPort: port('ONHAND_DEV_REDIS_PORT', 16_379),
    grpcPort: port('ONHAND_GRPC_PORT', 50_051),
    httpPort: port('ONHAND_HTTP_PORT', 8_080),
    metricsPort: port('ONHAND_METRICS_PORT', 9_464),
    external,
  };
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return options;
}

/** Where `npm start` keeps data, logs and pid files. */
export const dataDirOf = (environment: Environment): string =>
  resolve(projectRoot(), environment.ONHAND_DATA_DIR || '.onhand');

function parseFlags(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { help: { ...flag, short: 'h' }, fresh: flag, demo: flag, 'no-demo': flag },
    });
    return { help: values.help, fresh: values.fresh, demo: values.demo, noDemo: values['no-demo'] };
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\n${startUsage}`);
  }
}

function externalServers(environment: Environment): OwnServers | undefined {
  const databaseUrl = environment.DATABASE_URL;
  if (!databaseUrl) return undefined;
  return {
    databaseUrl,
    replicaUrls: environment.DATABASE_REPLICA_URLS || undefined,
    redisUrl: environment.REDIS_URL || undefined,
  };
}
