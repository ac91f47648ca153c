/** What the load process is asked to do, once. */
export interface LoadPlan {
  /** `wire`: the cheap HTTP/2 client of wire-client.ts. `grpc-js`: what a caller in Node uses. */
  readonly client: 'wire' | 'grpc-js';
  readonly rpc: 'sell' | 'get' | 'strong get';
  readonly spread: Spread;
  /** host:port of the service. */
  readonly address: string;
  readonly connections: number;
  /** Requests that wait for their answers at any time, over all connections. */
  readonly inFlight: number;
  readonly seconds: number;
}

/** Which stocks the requests name: always the same one, or any of all, each as likely, or a few of them mostly (Zipf). */
export type Spread = 'one product' | 'all stocks' | 'zipf';

/** What came of it. Every request that was sent has been waited for. */
export interface LoadResult {
  readonly answers: number;
  /** Requests that were answered with an error. */
  readonly errors: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the load process itself. */
  readonly cpuSeconds: number;
}
