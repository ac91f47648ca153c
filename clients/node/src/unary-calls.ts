import { type ServiceError, status } from '@grpc/grpc-js';
import { Backoff, type BackoffOptions, pauseUnless } from './backoff.js';
import type { Channels, Method } from './channels.js';
import { type ConcurrencyLimit, refusedHere } from './concurrency-limit.js';
import type { OnhandError } from './onhand-error.js';
import { readError } from './read-error.js';

/** What one call may say for itself. */
export interface CallOptions {
  /** How long the call may take with all its tries, in milliseconds; the service lets one try take 30,000 at most. */
  readonly deadlineMs?: number;
  /** Gives the call up; it then throws the signal's reason. A command that was sent may still take effect. */
  readonly signal?: AbortSignal;
}

/** What a call is beside its request. */
export interface CallFacts {
  readonly limit: ConcurrencyLimit | undefined;
  /** The ids of its commands, for the error. */
  readonly eventIds?: readonly string[];
}

export interface UnaryCallsOptions {
  readonly deadlineMs: number;
  readonly backoff: BackoffOptions | undefined;
  /** Told before each pause between two tries. */
  readonly onRetry: ((error: OnhandError, rpc: string) => void) | undefined;
}

/** Calls with a deadline, tried again where that can help. */
export class UnaryCalls {
  constructor(
    private readonly channels: Channels,
    private readonly options: UnaryCallsOptions,
  ) {}

  /**
   * Sends the request, and sends it again where the service was UNAVAILABLE: the same bytes, and so the same event ids. Every
   * other code is an answer. No pause leads past the deadline.
   *
   * @throws OnhandError the last one
   */
  async run<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    { limit, eventIds = [] }: CallFacts,
    { deadlineMs = this.options.deadlineMs, signal }: CallOptions,
  ): Promise<Response> {
    if (!(deadlineMs > 0)) throw new RangeError(`deadlineMs must be above 0, it is ${deadlineMs}`);
    const giveUpAt = performance.now() + deadlineMs;
    const backoff = new Backoff(this.options.backoff);
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      const answer = await this.#tryWithin(limit, giveUpAt, signal, (leftMs) =>
        this.channels.unary(method, request, leftMs, signal),
      );
      if ('response' in answer) return answer.response;
      const { error } = answer;
      error.eventIds = eventIds;
      error.tries = error.local ? tries - 1 : tries;
      if (error.code !== status.UNAVAILABLE) throw error;
      const pauseMs = backoff.next(error.retryDelayMs);
      if (performance.now() + pauseMs >= giveUpAt) throw error;
      this.options.onRetry?.(error, method.path.slice(method.path.lastIndexOf('/') + 1));
      await pauseUnless(signal, pauseMs);
    }
  }

  /** Sends once the limit lets it. @param send is told how long it may take */
  async #tryWithin<Response>(
    limit: ConcurrencyLimit | undefined,
    giveUpAt: number,
    signal: AbortSignal | undefined,
    send: (leftMs: number) => Promise<Response>,
  ): Promise<{ readonly response: Response } | { readonly error: OnhandError }> {
    const entered = limit?.enter(giveUpAt - performance.now(), signal) ?? true;
    if (entered !== true && !(await entered)) {
      signal?.throwIfAborted();
      return { error: refusedHere() };
    }
    const sentAtMs = performance.now();
    const leftMs = giveUpAt - sentAtMs;
    try {
      const response = await send(leftMs);
      limit?.leave(sentAtMs, leftMs, undefined);
      return { response };
    } catch (error) {
      if (signal?.aborted) {
        limit?.leaveUnanswered();
        throw signal.reason;
      }
      const failure = readError(error as ServiceError);
      limit?.leave(sentAtMs, leftMs, failure);
      return { error: failure };
    }
  }
}
