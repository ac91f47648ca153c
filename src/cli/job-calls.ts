import type { OnhandError } from '@onhand/client';
import type { InventoryClient } from './inventory-client.js';
import type { Calls } from './messages.js';
import { JOB_RETRIES, withRetries } from './retries.js';
import type { TextChannel } from './terminal.js';

/** How long a job waits for the service to come back, in milliseconds. */
const PATIENCE_MS = 60_000;

/** The calls of a long job: each is tried until it is answered for good, through a restart of the service if need be. */
export class JobCalls {
  retries = 0;
  #saidWaiting = false;

  constructor(
    private readonly client: InventoryClient,
    private readonly deadlineMs: number,
    private readonly notes: TextChannel,
  ) {}

  /**
   * @param check throws a OnhandError where the answer asks for another try
   * @throws OnhandError what is no matter of time, or takes too long
   */
  call<Name extends keyof Calls>(
    name: Name,
    request: Calls[Name][0],
    check: (answer: Calls[Name][1]) => void = () => undefined,
  ): Promise<Calls[Name][1]> {
    const attempt = async () => {
      const answer = await this.client.call(name, request, Date.now() + this.deadlineMs);
      check(answer);
      return answer;
    };
    const onRetry = (failure: OnhandError) => this.#retrying(failure);
    return withRetries(attempt, { ...JOB_RETRIES, giveUpAt: Date.now() + PATIENCE_MS, onRetry });
  }

  #retrying(failure: OnhandError): void {
    this.retries++;
    if (this.#saidWaiting) return;
    this.#saidWaiting = true;
    this.notes.line(`${failure.message}; trying again, for up to ${PATIENCE_MS / 1_000} s a call.`);
  }
}
