import { setTimeout as pause } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { ServiceFailure } from './service-failure.js';

/** When to try a call again. Writes may be: each try carries the same event id, so that it counts once. */
export interface RetryPolicy {
  /** At most this many calls in all. */
  readonly tries: number;
  /** No further try starts after this time, in milliseconds since 1970. */
  readonly giveUpAt: number;
  readonly retryable: readonly status[];
  /** The first pause, doubled each time up to `maxDelayMs`; each is shortened by up to a half, at random. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** Told before each pause. */
  readonly onRetry?: (failure: ServiceFailure) => void;
}

/** What a person's single command waits for. */
export const COMMAND_RETRIES = {
  tries: 3,
  retryable: [status.UNAVAILABLE],
  firstDelayMs: 100,
  maxDelayMs: 1_000,
} as const;

/** A long job goes on through a restart of the service. */
export const JOB_RETRIES = {
  tries: Number.POSITIVE_INFINITY,
  retryable: [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED],
  firstDelayMs: 100,
  maxDelayMs: 2_000,
} as const;

/**
 * Runs `attempt` until it succeeds, fails for good, or the policy ends.
 *
 * @throws the last failure
 */
export async function withRetries<T>(attempt: () => Promise<T>, policy: RetryPolicy): Promise<T> {
  let delayMs = policy.firstDelayMs;
  for (let tried = 1; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ServiceFailure) || !policy.retryable.includes(error.code)) throw error;
      const pauseMs = Math.max(delayMs * (0.5 + Math.random() / 2), error.details.retryDelayMs);
      if (tried >= policy.tries || Date.now() + pauseMs >= policy.giveUpAt) throw error;
      policy.onRetry?.(error);
      await pause(pauseMs);
      delayMs = Math.min(delayMs * 2, policy.maxDelayMs);
    }
  }
}
