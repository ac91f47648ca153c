import { runHttpLoad } from './http-client.js';
import type { LoadResult } from './load-plan.js';
import { MemoryServer, type MemoryServerKind } from './memory-server-process.js';
import { median } from './statistics.js';
import { nextStock } from './stocks.js';
import { runWireClient } from './wire-client.js';

export interface ComparisonOptions {
  /** Of each measured run. */
  readonly seconds: number;
  readonly rounds: number;
}

/** Reads of single stocks, Zipf over 100,000, beside a server that answers one fixed message the same way. */
export interface ComparisonResult {
  readonly connections: number;
  readonly onhand: Side;
  readonly empty: Side;
  /** The median of the rounds' ratios. */
  readonly ratio: number;
  readonly target: number;
}

interface Side {
  /** Answers per second, one for each round. */
  readonly rates: number[];
  readonly median: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What is asked how, and what it may cost: at least `target` of the empty server's rate. */
interface Kind {
  readonly servers: { readonly onhand: MemoryServerKind; readonly empty: MemoryServerKind };
  readonly connections: number;
  readonly target: number;
  readonly run: (port: number, seconds: number) => Promise<LoadResult>;
}

const WARM_UP_SECONDS = 2;
const REST_CONNECTIONS = 64;
const GRPC_CONNECTIONS = 4;
const GRPC_IN_FLIGHT = 64;

const runRest = (port: number, seconds: number): Promise<LoadResult> =>
  runHttpLoad({ port, connections: REST_CONNECTIONS, seconds, nextPath: pathOfNextStock });

const KINDS = {
  'rest route': {
    servers: { onhand: 'rest route', empty: 'empty rest' },
    ...{ connections: REST_CONNECTIONS, target: 0.7, run: runRest },
  },
  rest: {
    servers: { onhand: 'rest', empty: 'empty rest' },
    ...{ connections: REST_CONNECTIONS, target: 0.75, run: runRest },
  },
  grpc: {
    servers: { onhand: 'grpc', empty: 'empty grpc' },
    ...{ connections: GRPC_CONNECTIONS, target: 0.85 },
    run: async (port, seconds) => {
      const tally = await runWireClient({
        ...{ client: 'wire', rpc: 'get', spread: 'zipf', address: `127.0.0.1:${port}` },
        ...{ connections: GRPC_CONNECTIONS, inFlight: GRPC_IN_FLIGHT, seconds },
      });
      return tally.result();
    },
  },
} as const satisfies Record<string, Kind>;

/** Both sides in turn. @throws Error where a read failed. */
export async function compareFromMemory(
  kind: keyof typeof KINDS,
  { seconds, rounds }: ComparisonOptions,
  progress: (line: string) => void,
): Promise<ComparisonResult> {
  const { connections, target, run, servers: kinds } = KINDS[kind];
  const servers = { onhand: new MemoryServer(kinds.onhand), empty: new MemoryServer(kinds.empty) };
  const read = async (server: MemoryServer, runSeconds: number) => {
    const result = await run(await server.port(), runSeconds);
    if (result.errors > 0) throw new Error(`${result.errors} reads failed`);
    return result;
  };
  try {
    for (const server of Object.values(servers)) await read(server, WARM_UP_SECONDS);
    const onhand: LoadResult[] = [];
    const empty: LoadResult[] = [];
    for (let round = 1; round <= rounds; round++) {
      onhand.push(await read(servers.onhand, seconds));
      empty.push(await read(servers.empty, seconds));
      const rates = [onhand, empty].map((results) => rate(results.at(-1)!));
      progress(`${kind}, round ${round} of ${rounds}: Onhand ${rates[0]}, empty ${rates[1]} /s`);
    }
    const ratios = onhand.map((result, round) => rate(result) / rate(empty[round]!));
    return { connections, onhand: sideOf(onhand), empty: sideOf(empty), ratio: median(ratios), target };
  } finally {
    for (const server of Object.values(servers)) server.stop();
  }
}

function pathOfNextStock(): string {
  const { storeId, productId } = nextStock('zipf');
  return `/api/v1/inventory?storeId=${storeId}&productId=${productId}`;
}

const rate = (result: LoadResult): number => Math.round(result.answers / result.seconds);

function sideOf(results: readonly LoadResult[]): Side {
  const rates = results.map(rate);
  return {
    rates,
    median: median(rates),
    p50Ms: median(results.map((result) => result.p50Ms)),
    p99Ms: median(results.map((result) => result.p99Ms)),
  };
}
