/** What the load process of `overload` is asked to do, once. */
export interface OverloadPlan {
  readonly address: string;
  readonly connections: number;
  /** Sales a second, sent when they are due, whatever becomes of those before; or so many under way at any time. */
  readonly load: { readonly perSecond: number } | { readonly inFlight: number };
  /** The first seconds are not counted: the client learns how the service is. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly deadlineMs: number;
}

/** What became of the sales that were sent while it counted. */
export interface OverloadOutcome {
  readonly seconds: number;
  readonly offered: number;
  /** Answered in time. */
  readonly done: number;
  /** Refused by the service, by the client, or not answered in time (the connection may have been given up for dead). */
  readonly refusedThere: number;
  readonly refusedHere: number;
  readonly late: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How long it took to be told of a refusal, wherever it came from. */
  readonly refusalP50Ms: number;
  /** Processors that the load process used. */
  readonly loadCpus: number;
}
