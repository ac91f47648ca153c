import { v5 as uuidV5 } from 'uuid';
import { createsStock, isLateCount } from '../domain/decide.js';
import { InventoryError } from '../domain/errors.js';
import { judgeSubmissions, keyOf } from '../domain/judge-submissions.js';
import { type Placed, placeMessages, wasRefusedOnline } from '../domain/store-log.js';
import type { Command, Outcome, PriorEvent, StockKey, Submission } from '../domain/types.js';
import type { Locked, LockRequest } from '../postgres/ledger-statements.js';
import { beginAndLock, findStocks, readFurther } from '../postgres/ledger-statements.js';
import type { Writing } from '../postgres/ledger-write.js';
import type { Client } from '../postgres/pool.js';

/** The first half of a transaction (see batch.ts): locks, reads, and what follows from them. */

/**
 * What became of each submission: its outcomes, why it was not taken, or LOCKED where another transaction holds one of its
 * stocks or its log.
 */
export type BatchOutcomes = readonly (readonly Outcome[] | InventoryError | 'LOCKED')[];

/** What is to be written, and what is to be answered once that is durable. */
export interface Judged {
  readonly writing: Writing;
  readonly outcomes: BatchOutcomes;
  readonly nowUs: number;
  /** In a snapshot from after the lock. */
  readonly beat: bigint;
}

/** Stocks only ever come about: each further try needs another one that was made in that very moment. */
const LOCK_TRIES = 5;

/** Opens the transaction, and judges on its locks. @throws what the connection or the server says. */
export async function lockAndJudge(
  client: Client,
  submissions: readonly Submission[],
  skipLocked: boolean,
): Promise<Judged> {
  const commands = submissions.flatMap((submission) => submission.commands);
  const logsOf = [...new Set(submissions.flatMap(({ message }) => message?.storeId ?? []))];
  const locked = await lockAll(client, {
    ...{ keys: distinctKeys(commands), making: [], commands, logsOf, skipLocked },
    lateCounts: commands.filter(isLateCount),
  });
  const free = freeOf(submissions, locked, skipLocked);
  const placement = placeMessages(
    submissions.filter((each) => free.has(each)),
    locked.cursors,
    locked.nowUs,
  );
  const further =
    logsOf.length === 0 ? NOTHING_FURTHER : await lookFurther(client, placement.submissions, locked);
  const verdict = judgeSubmissions(placement.submissions, {
    ...locked,
    events: [...locked.events, ...further.events],
    counts: [...locked.counts, ...further.counts],
    otherIds: further.otherIds,
  });
  const outcomes = verdict.outcomes.values();
  return {
    writing: { ...verdict, cursors: placement.moved },
    outcomes: submissions.map((submission) => (free.has(submission) ? outcomes.next().value! : 'LOCKED')),
    nowUs: locked.nowUs,
    beat: locked.beat,
  };
}

/**
 * Begins, again where the stocks were not all there to be locked. One that is missing may have been made while the lock of
 * another was waited for: then the commands would be judged on two states of the world. With the locks held a second look
 * tells: what is missing then as well was never there.
 */
async function lockAll(client: Client, request: LockRequest): Promise<Locked> {
  let locked = await beginAndLock(client, request);
  for (let tries = 1; tries < LOCK_TRIES; tries++) {
    const missing = missingKeys(request, locked);
    if (missing.length === 0) break;
    const making = keysToMake(request, missing);
    if (making.length === 0 && (await findStocks(client, missing)).length === 0) break;
    // Seldom: the first restock of a stock. Placeholders must come before the locks, so begin again with them.
    await client.query('ROLLBACK');
    locked = await beginAndLock(client, { ...request, making });
  }
  return locked;
}

interface Further {
  readonly events: readonly PriorEvent[];
  readonly counts: Locked['counts'];
  /** Under which ids what was refused online is recorded, by the ids that it came with. */
  readonly otherIds: ReadonlyMap<string, string>;
}

const NOTHING_FURTHER: Further = { events: [], counts: [], otherIds: new Map() };

/** What only some messages need to know: seldom, so that all others are spared the round trip. */
async function lookFurther(
  client: Client,
  placed: readonly (Placed | InventoryError)[],
  { events }: Locked,
): Promise<Further> {
  const messages = placed.filter((each) => !(each instanceof InventoryError)) as Placed[];
  const counts = messages
    .filter(({ place }) => place === 'NEXT')
    .flatMap(({ commands }) => commands.filter(({ type }) => type === 'COUNT'));
  const others = refusedOnline(
    messages.flatMap(({ commands }) => commands),
    events,
  );
  if (counts.length === 0 && others.length === 0) return NOTHING_FURTHER;
  const found = await readFurther(
    client,
    others.map(({ storeId, otherId }) => ({ storeId, eventId: otherId })),
    counts,
  );
  const otherIds = others.map(({ storeId, eventId, otherId }) => [keyOf(storeId, eventId), otherId] as const);
  return { ...found, otherIds: new Map(otherIds) };
}

/** Those that were refused online before, with the ids under which they are recorded. */
function refusedOnline(
  commands: readonly Command[],
  events: readonly PriorEvent[],
): { storeId: string; eventId: string; otherId: string }[] {
  const refused = events.filter(({ status, origin }) => status === 'FAILED' && origin !== 'SYNC');
  if (refused.length === 0) return [];
  const byId = new Map(refused.map((event) => [keyOf(event.storeId, event.eventId), event]));
  return commands.flatMap((command) => {
    const { storeId, eventId } = command;
    const prior = byId.get(keyOf(storeId, eventId));
    if (prior === undefined || !wasRefusedOnline(command, prior)) return [];
    return [{ storeId, eventId, otherId: otherIdOf(eventId) }];
  });
}

/** The other id of what was refused online and then came out of the store's log. */
export const otherIdOf = (eventId: string): string => uuidV5('sync', eventId);

/**
 * The submissions that can be judged: others hold neither their stocks nor their logs, and with a message of a log none
 * before it is left behind. Or they are refused whatever else they are about: of a stream that is not the newest.
 */
function freeOf(submissions: readonly Submission[], locked: Locked, skipLocked: boolean): Set<Submission> {
  if (!skipLocked) return new Set(submissions);
  const held = keysHeldByOthers(locked);
  const logs = new Set(locked.cursors.map(({ storeId }) => storeId));
  const streams = new Map(locked.cursors.map(({ storeId, stream }) => [storeId, stream]));
  const free = new Set<Submission>();
  for (const submission of submissions) {
    const { commands, message } = submission;
    const isFree =
      !commands.some((each) => held.has(nameOf(each))) &&
      (message === undefined || logs.has(message.storeId));
    const newest = message && streams.get(message.storeId);
    if (isFree || (newest !== undefined && newest !== message?.stream)) free.add(submission);
    else if (message !== undefined) logs.delete(message.storeId);
  }
  return free;
}

function distinctKeys(keys: readonly StockKey[]): StockKey[] {
  return [...new Map(keys.map((key) => [nameOf(key), key])).values()];
}

const nameOf = (key: StockKey): string => keyOf(key.storeId, key.productId);

function missingKeys({ keys }: LockRequest, { existing }: Locked): StockKey[] {
  if (existing.length === keys.length) return [];
  const found = new Set(existing.map(nameOf));
  return keys.filter((key) => !found.has(nameOf(key)));
}

/** Those of the missing stocks that a command may make. */
function keysToMake({ commands }: LockRequest, missing: readonly StockKey[]): StockKey[] {
  const makers = new Set(commands.filter(createsStock).map(nameOf));
  return missing.filter((key) => makers.has(nameOf(key)));
}

/** None, where we waited for all of them. */
function keysHeldByOthers({ existing, stocks }: Locked): Set<string> {
  if (existing === stocks) return new Set();
  const ours = new Set(stocks.map(nameOf));
  const all = existing.map(nameOf);
  return new Set(all.filter((key) => !ours.has(key)));
}
