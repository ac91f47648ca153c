import { status } from '@grpc/grpc-js';
import { OnhandError, type Reason } from '@onhand/client';
import type { Batch } from './apply-plan.js';
import type { JobCalls } from './job-calls.js';
import { type ApplyResponse, type OperationResult, shortName } from './messages.js';
import type { FileOperation } from './operations.js';

/** Reasons that say when, and not whether: the operation was not decided, and can be asked for again with its id. */
const NOT_DECIDED = [
  'QUEUE_FULL',
  'DEADLINE_EXCEEDED',
  'DATABASE_UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'SHUTTING_DOWN',
];

/** An operation that was refused, and why. */
export interface Refusal {
  readonly operation: FileOperation;
  readonly eventId: string;
  /** Without its prefix. */
  readonly reason: string;
  readonly message: string;
}

/** What became of the operations so far. */
export class ApplyTally {
  batches = 0;
  applied = 0;
  oversold = 0;
  absorbed = 0;
  replayed = 0;
  readonly refusals: Refusal[] = [];

  get answered(): number {
    return this.applied + this.oversold + this.absorbed + this.refusals.length;
  }

  record(batch: Batch, { results }: ApplyResponse): void {
    this.batches++;
    results.forEach((result, index) => {
      const { eventId } = batch.request.operations[index]!;
      if (result.replayed) this.replayed++;
      if (result.status !== 'EVENT_STATUS_SUCCESS')
        this.refusals.push({ operation: batch.operations[index]!, eventId, ...reasonOf(result) });
      else if (result.effect === 'EFFECT_OVERSOLD') this.oversold++;
      else if (result.effect === 'EFFECT_ABSORBED') this.absorbed++;
      else this.applied++;
    });
  }
}

/**
 * Sends a batch until all of it is decided.
 *
 * @throws OnhandError naming the operation of the file where that can be told
 */
export async function sendBatch(calls: JobCalls, batch: Batch): Promise<ApplyResponse> {
  try {
    return await calls.call('Apply', batch.request, throwUnlessDecided);
  } catch (error) {
    throw error instanceof OnhandError ? inTheFilesWords(error, batch) : error;
  }
}

function throwUnlessDecided({ results }: ApplyResponse): void {
  const undecided = results.map(reasonOf).find(({ reason }) => NOT_DECIDED.includes(reason));
  if (undecided === undefined) return;
  const { reason, message } = undecided;
  throw new OnhandError({ reason: reason as Reason, code: status.UNAVAILABLE, message });
}

const reasonOf = ({ reason, message }: OperationResult) => ({
  reason: shortName('ERROR_REASON', reason),
  message,
});

/** The service names fields as `operations[3].quantity`; the person knows lines. */
function inTheFilesWords(failure: OnhandError, { operations, request }: Batch): OnhandError {
  const violations = failure.violations.map(({ field, description }) => {
    const [, index, name] = /^operations\[(\d+)\]\.(.*)$/.exec(field) ?? [];
    const operation = operations[Number(index)];
    return operation === undefined
      ? { field, description }
      : { field: `${operation.place}, ${name}`, description };
  });
  const [first, last] = [operations[0]!.place, operations.at(-1)!.place];
  const place = first === last ? first : `${first} to ${last}`;
  const message = `Store ${request.storeId}, ${place}: ${failure.message}`;
  const { reason, code, info, retryDelayMs } = failure;
  return new OnhandError({ reason, code, message, info, violations, retryDelayMs });
}
