import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../src/project-root.js';
import { runHttpLoad } from './http-client.js';
import type { LoadResult } from './load-plan.js';
import { median } from './statistics.js';
import { nextStock } from './stocks.js';

export interface RestOptions {
  /** Of each measured run. */
  readonly seconds: number;
  readonly rounds: number;
}

/** Reads of one stock each, Zipf over 100,000, over REST, beside a Fastify route that answers one fixed object through the same schema. */
export interface RestResult {
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

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 2;
/** What REST may cost: at least this much of an empty route's rate. */
const TARGET = 0.7;

/** A server of rest-server.ts in a process of its own; this process is the load. */
class RestServer {
  readonly #child: ChildProcess;

  constructor(kind: 'onhand' | 'empty') {
    this.#child = fork(join(projectRoot(), 'dist/bench/rest-server.js'), [kind]);
  }

  async port(): Promise<number> {
    const [{ port }] = (await once(this.#child, 'message')) as [{ port: number }];
    return port;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** @throws Error where a read failed. */
export async function benchRest(
  { seconds, rounds }: RestOptions,
  progress: (line: string) => void,
): Promise<RestResult> {
  const servers = { onhand: new RestServer('onhand'), empty: new RestServer('empty') };
  try {
    const [onhandPort, emptyPort] = await Promise.all([servers.onhand.port(), servers.empty.port()]);
    for (const port of [onhandPort, emptyPort]) await read(port, WARM_UP_SECONDS);
    const onhand: LoadResult[] = [];
    const empty: LoadResult[] = [];
    for (let round = 1; round <= rounds; round++) {
      onhand.push(await read(onhandPort, seconds));
      empty.push(await read(emptyPort, seconds));
      progress(
        `round ${round} of ${rounds}: Onhand ${rate(onhand.at(-1)!)}, empty ${rate(empty.at(-1)!)} /s`,
      );
    }
    const ratios = onhand.map((result, round) => rate(result) / rate(empty[round]!));
    return {
      connections: CONNECTIONS,
      onhand: sideOf(onhand),
      empty: sideOf(empty),
      ratio: median(ratios),
      target: TARGET,
    };
  } finally {
    servers.onhand.stop();
    servers.empty.stop();
  }
}

async function read(port: number, seconds: number): Promise<LoadResult> {
  const nextPath = () => {
    const { storeId, productId } = nextStock('zipf');
    return `/api/v1/inventory?storeId=${storeId}&productId=${productId}`;
  };
  const result = await runHttpLoad({ port, connections: CONNECTIONS, seconds, nextPath });
  if (result.errors > 0) throw new Error(`${result.errors} reads failed`);
  return result;
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
