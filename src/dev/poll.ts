import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks again and again until the answer is something other than undefined.
 *
 * @param timeoutMs how long to go on, in milliseconds.
 * @returns the answer, or undefined when the time is over.
 */
export async function poll<T>(
  question: () => Promise<T | undefined> | T | undefined,
  timeoutMs: number,
  intervalMs = 25,
): Promise<T | undefined> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const answer = await question();
    if (answer !== undefined || performance.now() > giveUpAt) return answer;
    await pause(intervalMs);
  }
}
