import { setTimeout as pause } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { OnhandError } from '@onhand/client';
import { Backoff, type BackoffOptions } from '@onhand/client/stubs';

/** When to try a call again. Writes may be: each try carries the same event id, so that it counts once. */
export interface RetryPolicy {
  /** At most this many calls in all. */
  readonly tries: number;
  /** No further try starts after this time, in milliseconds since 1970. */
  readonly giveUpAt: number;
  readonly retryable: readonly status[];
  readonly backoff: BackoffOptions;
  /** Told before each pause. */
  readonly onRetry?: (failure: OnhandError) => void;
}

/** What a person's single command waits for. */
export const COMMAND_RETRIES = {
  tries: 3,
  retryable: [status.UNAVAILABLE],
  backoff: { firstDelayMs: 100, maxDelayMs: 1_000 },
} as const;

export const JOB_BACKOFF: BackoffOptions = { firstDelayMs: 100, maxDelayMs: 2_000 };

/** A long job goes on through a restart of the service. */
export const JOB_RETRIES = {
  tries: Number.POSITIVE_INFINITY,
  retryable: [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED],
  backoff: JOB_BACKOFF,
} as const;

/**
 * Runs `attempt` until it succeeds, fails for good, or the policy ends.
 *
 * @throws the last failure
 */
export async function withRetries<T>(attempt: () => Promise<T>, policy: RetryPolicy): Promise<T> {
  const backoff = new Backoff(policy.backoff);
  for (let tried = 1; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof OnhandError) || !policy.retryable.includes(error.code)) throw error;
      const pauseMs = backoff.next(error.retryDelayMs);
      if (tried >= policy.tries || Date.now() + pauseMs >= policy.giveUpAt) throw error;
      policy.onRetry?.(error);
      await pause(pauseMs);
    }
  }
}
