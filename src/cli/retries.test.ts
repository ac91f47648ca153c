import { status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import { OnhandError } from '@onhand/client';
import { type RetryPolicy, withRetries } from './retries.js';

const policy = (changes: Partial<RetryPolicy> = {}): RetryPolicy => ({
  tries: 3,
  giveUpAt: Date.now() + 60_000,
  retryable: [status.UNAVAILABLE],
  backoff: { firstDelayMs: 1, maxDelayMs: 2 },
  ...changes,
});

const failing = (failures: number, code = status.UNAVAILABLE, retryDelayMs = 0) => {
  const calls = { count: 0 };
  const attempt = async () => {
    calls.count++;
    if (calls.count <= failures)
      throw new OnhandError({ reason: 'UNREACHABLE', code, message: `failure ${calls.count}`, retryDelayMs });
    return 'done';
  };
  return { calls, attempt };
};

describe('a call with retries', () => {
  test('is tried again until it succeeds', async () => {
    const { calls, attempt } = failing(2);
    const told: string[] = [];
    const answer = await withRetries(attempt, policy({ onRetry: ({ message }) => told.push(message) }));
    expect([answer, calls.count, told]).toEqual(['done', 3, ['failure 1', 'failure 2']]);
  });

  test('fails with the last failure when the tries are used up', async () => {
    const { calls, attempt } = failing(9);
    await expect(withRetries(attempt, policy())).rejects.toThrow('failure 3');
    expect(calls.count).toBe(3);
  });

  test('is not tried again where that would not help', async () => {
    const { calls, attempt } = failing(9, status.FAILED_PRECONDITION);
    await expect(withRetries(attempt, policy())).rejects.toThrow('failure 1');
    expect(calls.count).toBe(1);
    const defect = async () => {
      calls.count++;
      throw new TypeError('a defect');
    };
    await expect(withRetries(defect, policy())).rejects.toThrow('a defect');
    expect(calls.count).toBe(2);
  });

  test('is not tried again past the time to give up, counting what the service asks to wait', async () => {
    const { calls, attempt } = failing(9, status.UNAVAILABLE, 10_000);
    await expect(withRetries(attempt, policy({ giveUpAt: Date.now() + 5_000 }))).rejects.toThrow('failure 1');
    expect(calls.count).toBe(1);
  });
});
