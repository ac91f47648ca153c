import { fingerprintOf } from './decide.js';
import { InventoryError } from './errors.js';
import type { Command, LogCursor, LogMessage, PriorEvent, Submission } from './types.js';

/** The rules of a store's log: where a message stands in it, when its operations take effect, which ids they get. */

/** What a message is: the next one of its log, or one that was taken in before. */
export type Place = 'NEXT' | 'REPEAT';

/** A submission that may be judged: of a message it is known where it stands, and when its commands take effect. */
export interface Placed extends Submission {
  readonly place?: Place;
}

/** Submissions with their places, or why they have none, and how far the logs then are. */
export interface Placement {
  readonly submissions: readonly (Placed | InventoryError)[];
  /** The cursors that have moved. */
  readonly moved: readonly LogCursor[];
}

/** Finds the place of each message in arrival order, those of one store one after the other. */
export function placeMessages(
  submissions: readonly Submission[],
  cursors: readonly LogCursor[],
  nowUs: number,
): Placement {
  const known = new Map(cursors.map((cursor) => [cursor.storeId, cursor]));
  const moved = new Map<string, LogCursor>();
  const placed = submissions.map((submission) => {
    const { message, commands } = submission;
    if (message === undefined) return submission;
    const cursor = known.get(message.storeId);
    const place = placeOf(message, cursor);
    if (place !== 'NEXT') return place === 'REPEAT' ? { ...submission, place } : place;
    const inTime = placeInTime(commands, cursor?.lastEffectiveTimeUs, nowUs);
    const lastEffectiveTimeUs = inTime.at(-1)?.effectiveTimeUs ?? cursor?.lastEffectiveTimeUs;
    const { storeId, stream, epoch, sequence } = message;
    const next = { storeId, stream, epoch, sequence, lastEffectiveTimeUs };
    known.set(storeId, next);
    moved.set(storeId, next);
    return { ...submission, commands: inTime, place };
  });
  return { submissions: placed, moved: [...moved.values()] };
}

/** Where a message stands, or why it must not be taken in. */
export function placeOf(message: LogMessage, cursor: LogCursor | undefined): Place | InventoryError {
  const { storeId, stream, epoch, sequence } = message;
  if (cursor === undefined) return streamLost(storeId);
  const problem =
    problemOfStream(storeId, stream, cursor.stream) ?? problemOfEpoch(storeId, epoch, cursor.epoch);
  if (problem !== undefined) return problem;
  if (sequence <= cursor.sequence) return 'REPEAT';
  const expected = cursor.sequence + 1n;
  return sequence > expected ? sequenceGap(sequence, expected) : 'NEXT';
}

/**
 * Why a stream must do nothing more; undefined where it is the newest of its store. Numbers only grow, unless the database was
 * restored, or a standby took over that did not have everything: then the hello itself is lost, and has to come again, so
 * that the store is told what else is.
 *
 * @param newest as the database has it; undefined where it does not know the store.
 */
export function problemOfStream(
  storeId: string,
  stream: bigint,
  newest: bigint | undefined,
): InventoryError | undefined {
  if (newest === stream) return undefined;
  return newest !== undefined && newest > stream ? streamSuperseded(storeId) : streamLost(storeId);
}

/** Why a store cannot go on with a log; undefined where it can. A higher epoch than is known: the server was restored. */
export function problemOfEpoch(
  storeId: string,
  epoch: bigint,
  known: bigint | undefined,
): InventoryError | undefined {
  if (known === epoch) return undefined;
  const remedy = 'ask for a new epoch and send again what is there';
  if (known !== undefined && epoch < known) {
    const message = `Store ${storeId} has a newer log than epoch ${epoch}; ${remedy}`;
    return new InventoryError('EPOCH_SUPERSEDED', message, { metadata: { epoch: String(known) } });
  }
  const message = `Epoch ${epoch} of store ${storeId} is not known here; ${remedy}`;
  return new InventoryError('LOG_FORKED', message);
}

/**
 * The commands of a message with the times at which they take effect: never later than receipt, never earlier than what
 * stands before them in the log, whatever the store's clock said.
 */
export function placeInTime(
  commands: readonly Command[],
  lastEffectiveTimeUs: number | undefined,
  nowUs: number,
): Command[] {
  let lastUs = lastEffectiveTimeUs ?? Number.NEGATIVE_INFINITY;
  return commands.map((command) => {
    lastUs = Math.min(nowUs, Math.max(command.occurredTimeUs ?? nowUs, lastUs));
    return { ...command, effectiveTimeUs: lastUs };
  });
}

/**
 * Whether the store did all the same what was refused to it online under this event id: then it is recorded under another
 * id, which follows from this one (UUIDv5 of it and "sync").
 */
export const wasRefusedOnline = (command: Command, prior: PriorEvent): boolean =>
  command.origin === 'SYNC' &&
  prior.status === 'FAILED' &&
  prior.origin !== 'SYNC' &&
  prior.fingerprint === fingerprintOf(command);

/** The answer to a stream of a store that has a newer one. */
export const streamSuperseded = (storeId: string): InventoryError =>
  new InventoryError(
    'STREAM_SUPERSEDED',
    `A newer stream of store ${storeId} has taken over; a store has one stream at a time`,
  );

/** The answer to a stream whose beginning the database does not know any more. */
export const streamLost = (storeId: string): InventoryError =>
  new InventoryError(
    'RESYNC',
    `The database was restored to a time before this stream of store ${storeId}; say hello again, without a cursor`,
  );

/** The answer to a repeat with an operation that was never taken in. */
export const logForked = ({ storeId, sequence }: LogMessage, eventId: string): InventoryError =>
  new InventoryError(
    'LOG_FORKED',
    `Message ${sequence} of store ${storeId} was taken in with other operations; ask for a new epoch and send again what is there`,
    { metadata: { event_id: eventId } },
  );

/** Whether that is the answer. */
export const isForkedRepeat = ({ reason, metadata }: InventoryError): boolean =>
  reason === 'LOG_FORKED' && metadata.event_id !== undefined;

function sequenceGap(sequence: bigint, expected: bigint): InventoryError {
  const message = `Message ${sequence} came where ${expected} is expected; go on from there`;
  return new InventoryError('SEQUENCE_GAP', message, { metadata: { expected_sequence: String(expected) } });
}
