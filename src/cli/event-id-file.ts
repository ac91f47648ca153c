import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { v7 as uuidv7 } from 'uuid';
import type { FileOperation } from './operations.js';
import { UsageError } from './usage-error.js';

/**
 * The event ids of a file's operations, kept beside the file from before anything is sent. Whatever breaks off, the
 * service or the machine, a second run sends the same ids, and what was done counts once.
 */

/** One operation's id, under what it asks for. */
export type EventIdEntry = readonly [operation: string, eventId: string];

/** The ids of an earlier run. */
export interface EarlierIds {
  /** Every operation of that run was answered. */
  readonly complete: boolean;
  readonly entries: readonly EventIdEntry[];
}

/** What to do with the ids of an earlier run: not use them, or use them although the file has changed. */
export type EarlierChoice = 'again' | 'resume' | undefined;

/** Which id each operation goes with. */
export interface EventIdPlan {
  readonly eventIds: readonly string[];
  /** How many have the id of an earlier run, and how many a new one. */
  readonly kept: number;
  readonly added: number;
  /** To be written; none where every operation brought an id of its own. */
  readonly entries: readonly EventIdEntry[];
}

const KIND = 'onhand apply event ids';

/**
 * Gives an id to each operation: its own, that of the same operation in an earlier run, or a new one. Operations that
 * are alike take the earlier ids in their order.
 *
 * @throws UsageError where it cannot be known what is meant: the earlier run was completed, and the file says something
 *   else now. It may be corrected, or another one of that name.
 */
export function planEventIds(
  operations: readonly FileOperation[],
  earlier: EarlierIds | undefined,
  choice: EarlierChoice,
  idsPath: string,
): EventIdPlan {
  const known = new Map<string, string[]>();
  for (const [operation, eventId] of choice === 'again' ? [] : (earlier?.entries ?? [])) {
    const alike = known.get(operation);
    if (alike === undefined) known.set(operation, [eventId]);
    else alike.push(eventId);
  }
  let [kept, added] = [0, 0];
  const entries: EventIdEntry[] = [];
  const eventIds = operations.map((operation) => {
    if (operation.eventId !== undefined) return operation.eventId;
    const key = keyOf(operation);
    const eventId = known.get(key)?.shift();
    if (eventId === undefined) added++;
    else kept++;
    const entry = [key, eventId ?? uuidv7()] as const;
    entries.push(entry);
    return entry[1];
  });
  if (earlier?.complete && choice === undefined && added > 0) throw ambiguous(idsPath, kept, added);
  // What the file no longer has may come back.
  const left = [...known].flatMap(([key, ids]) => ids.map((id) => [key, id] as const));
  return { eventIds, kept, added, entries: [...entries, ...left] };
}

function ambiguous(idsPath: string, kept: number, added: number): UsageError {
  return new UsageError(
    `The file was applied in full before (${idsPath}) and has changed since: ${kept} operations are the same, ${added} are not. ` +
      'Add --resume if it was corrected: what is the same is not done twice. Add --again if it is another file, or all of it is to be done once more.',
  );
}

/** What makes operations the same. */
function keyOf(operation: FileOperation): string {
  const { storeId, productId, type, quantity, occurredTime, reason, metadata } = operation;
  const pairs = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([storeId, productId, type, quantity, occurredTime, reason, ...pairs]);
}

/** @throws UsageError if there is a file of another kind */
export function readEventIds(path: string): EarlierIds | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
  try {
    const { kind, complete, entries } = JSON.parse(text);
    if (kind === KIND) return { complete, entries };
  } catch {
    // Said below.
  }
  throw new UsageError(`${path} is no file of event ids; name another with --ids FILE.`);
}

/**
 * Writes the ids so that they are on the disk when this returns, and never half of them.
 *
 * @throws UsageError if that cannot be done
 */
export function writeEventIds(path: string, { complete, entries }: EarlierIds): void {
  const lines = entries.map((entry) => JSON.stringify(entry)).join(',\n');
  const text = `{"kind":${JSON.stringify(KIND)},"complete":${complete},"entries":[\n${lines}\n]}\n`;
  try {
    const file = openSync(`${path}.new`, 'w');
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw new UsageError(
      `The event ids cannot be kept, and nothing was sent: ${(error as Error).message}. Name another place with --ids FILE.`,
    );
  }
}
