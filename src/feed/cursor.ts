import type { FeedHeader, FeedStart, Seen } from '../postgres/feed-statements.js';

/**
 * Where a follower of the event log stands: everything that one snapshot of the primary shows has been seen.
 *
 * It is told by `last`, the highest transaction with an event that the snapshot shows, and by the transactions up to it that the
 * snapshot shows as running. What a later snapshot shows and this one does not is of a transaction above `last`, or of one
 * of those running; what this one shows is of neither. So the next read takes `xid > last OR xid = ANY (running)`, and
 * gets each event exactly once, however long a transaction stays open and in whatever order they commit.
 *
 * It holds over a failover, too: the number of a transaction that the old primary gave out, and whose end no standby heard
 * of, is given out again by the new one. All such numbers are above `last`, provided that what was seen is not lost. (A
 * whole snapshot of the old primary would count such a transaction as over, and its namesake's events as seen.)
 */
export interface Cursor extends Seen {
  /** The database that it belongs to. */
  readonly database: string;
  readonly timeline: bigint;
  /** What was seen is on a standby, too. */
  readonly synchronous: boolean;
}

/** Nothing of what the log holds now, and everything after. Undefined where the server is no primary. */
export function startingAt({ header, database }: FeedStart): Cursor | undefined {
  const { timeline, synchronous, highest: last } = header;
  if (timeline === undefined) return undefined;
  return { database, timeline, synchronous, last, running: runningUpTo(last, header) };
}

/** Why a follower cannot go on with what a read gave. */
export type Break =
  /** The server is no primary, or one that was deposed: ask another. */
  | 'NOT_PRIMARY'
  /** What was seen may not have happened, or something may have been missed. */
  | 'LOST';

/** Whether what this server shows goes on where the cursor stands. */
export function breakAt(cursor: Cursor, { timeline, lastIsThere }: FeedHeader): Break | undefined {
  if (timeline === undefined || timeline < cursor.timeline) return 'NOT_PRIMARY';
  if (!lastIsThere || (timeline > cursor.timeline && !cursor.synchronous)) return 'LOST';
  return undefined;
}

/**
 * Where a follower stands after a read that goes on at its cursor. Refusals are no changes, and move it all the same: else each
 * read would look at all of them again since the last change.
 */
export function after(cursor: Cursor, header: FeedHeader): Cursor {
  const { timeline = cursor.timeline, synchronous, highest: last } = header;
  return { database: cursor.database, timeline, synchronous, last, running: runningUpTo(last, header) };
}

const runningUpTo = (last: bigint, { running }: FeedHeader): bigint[] => running.filter((xid) => xid <= last);

/**
 * Whether a follower that another process may have served can go on at its cursor, where this process stands at `now`. That
 * its last transaction is there has to be looked at besides.
 */
export function canResume(cursor: Cursor, now: Cursor): boolean {
  if (cursor.database !== now.database || cursor.timeline > now.timeline || cursor.last > now.last)
    return false;
  return cursor.timeline === now.timeline || cursor.synchronous;
}
