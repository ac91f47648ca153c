import { poll } from '../src/dev/poll.js';

const TIMEOUT_MS = 3_000;

/** Waits for a condition, for as long as the services let a transaction wait. @throws Error saying what has not come about. */
export async function until(
  condition: () => Promise<boolean>,
  otherwise: string,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  const met = await poll(async () => ((await condition()) ? true : undefined), timeoutMs, 5);
  if (met === undefined) throw new Error(otherwise);
}
