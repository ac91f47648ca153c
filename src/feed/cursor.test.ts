import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { FeedHeader } from '../postgres/feed-statements.js';
import { after, breakAt, type Cursor, startingAt } from './cursor.js';

/**
 * The cursor against a model of a primary that gives out transaction numbers, and of its standby: what the cursor selects is
 * exactly what has been committed since, whatever commits when, and over failovers, too.
 */

/** A server's transactions: only what is in the WAL outlives it. */
class ModelServer {
  #next = 10n;
  readonly #running = new Set<bigint>();
  /** Events that are committed, by the transaction that wrote them. */
  readonly events = new Map<bigint, string>();
  timeline = 1n;
  synchronous = true;
  #events = 0;
  /** The first number that the standby does not know to be given out. */
  #standbyNext = 10n;
  #replicated = new Map<bigint, string>();

  begin(): void {
    this.#running.add(this.#next++);
  }

  /** Ends the nth of the running transactions. A commit is replicated before anybody sees it; an end without is not. */
  end(nth: number, how: End): void {
    const xid = [...this.#running][nth % Math.max(this.#running.size, 1)];
    if (xid === undefined) return;
    this.#running.delete(xid);
    if (how === 'ROLLBACK') return;
    this.events.set(xid, `${how === 'REFUSE' ? 'refusal' : 'event'} ${++this.#events}`);
    if (this.synchronous) this.replicate();
  }

  /** The standby takes in all that is there; what was begun in between, only as far as something was committed after it. */
  replicate(): void {
    this.#replicated = new Map(this.events);
    const highest = [...this.events.keys()].reduce((a, b) => (a > b ? a : b), 0n);
    if (highest >= this.#standbyNext) this.#standbyNext = highest + 1n;
  }

  /** The standby becomes the primary: it gives out the numbers anew that it does not know of. */
  failOver(): void {
    this.timeline++;
    this.events.clear();
    for (const [xid, event] of this.#replicated) this.events.set(xid, event);
    this.#running.clear();
    this.#next = this.#standbyNext;
  }

  header(last: bigint): FeedHeader {
    return {
      ...{ sentMs: 0, nowUs: 0, beat: 0n, beatTimeUs: 0 },
      timeline: this.timeline,
      synchronous: this.synchronous,
      running: [...this.#running],
      highest: this.highest(),
      lastIsThere: last === 0n || this.events.has(last),
    };
  }

  changes(): string[] {
    return [...this.events.values()].filter(isChange);
  }

  highest(): bigint {
    return [...this.events.keys()].reduce((a, b) => (a > b ? a : b), 0n);
  }
}

/** Polls as the statement does. */
class ModelFollower {
  cursor: Cursor;
  /** Changes that were delivered. */
  readonly seen: string[] = [];
  /** Events that were looked at, refusals among them. */
  readonly lookedAt: string[] = [];
  restarts = 0;

  constructor(private readonly server: ModelServer) {
    this.cursor = this.#start();
  }

  poll(): void {
    const { last, running } = this.cursor;
    const header = this.server.header(last);
    if (breakAt(this.cursor, header) !== undefined) {
      this.restarts++;
      this.seen.length = 0;
      this.seen.push(...this.server.changes());
      this.cursor = this.#start();
      return;
    }
    const selected = [...this.server.events].filter(([xid]) => xid > last || running.includes(xid));
    const events = selected.map(([, event]) => event);
    this.lookedAt.push(...events);
    this.seen.push(...events.filter(isChange));
    this.cursor = after(this.cursor, header);
  }

  #start(): Cursor {
    return startingAt({ header: this.server.header(0n), database: 'db' }) as Cursor;
  }
}

/** How a transaction ends: with a change, with a refusal, with nothing. */
type End = 'COMMIT' | 'REFUSE' | 'ROLLBACK';

const isChange = (event: string): boolean => event.startsWith('event');

type Step = 'BEGIN' | 'POLL' | 'FAIL_OVER' | 'REPLICATE' | readonly [End, number];

const steps = (failOver: boolean): fc.Arbitrary<Step[]> => {
  const ends = fc.tuple(fc.constantFrom<End>('COMMIT', 'REFUSE', 'ROLLBACK'), fc.nat(5));
  return fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant<Step>('BEGIN') },
      { weight: 4, arbitrary: ends },
      { weight: 3, arbitrary: fc.constant<Step>('POLL') },
      { weight: 1, arbitrary: fc.constant<Step>('REPLICATE') },
      { weight: failOver ? 1 : 0, arbitrary: fc.constant<Step>('FAIL_OVER') },
    ),
    { maxLength: 80 },
  );
};

function run(server: ModelServer, follower: ModelFollower, history: readonly Step[]): void {
  for (const step of history) {
    if (step === 'BEGIN') server.begin();
    else if (step === 'POLL') follower.poll();
    else if (step === 'FAIL_OVER') server.failOver();
    else if (step === 'REPLICATE') server.replicate();
    else server.end(step[1], step[0]);
  }
  follower.poll();
}

test('every change is seen exactly once, over synchronous failovers too; nothing is begun anew, or looked at twice', () => {
  fc.assert(
    fc.property(steps(true), (history) => {
      const server = new ModelServer();
      const follower = new ModelFollower(server);
      run(server, follower, history);
      expect([...follower.seen].sort()).toEqual(server.changes().sort());
      expect(follower.restarts).toBe(0);
      expect(new Set(follower.lookedAt).size).toBe(follower.lookedAt.length);
    }),
    { numRuns: 3_000, seed: 6 },
  );
});

test('after a failover that may have lost something the follower is told to begin anew', () => {
  fc.assert(
    fc.property(steps(true), (history) => {
      const server = new ModelServer();
      server.synchronous = false;
      const follower = new ModelFollower(server);
      run(server, follower, history);
      expect([...follower.seen].sort()).toEqual(server.changes().sort());
      if (!history.includes('FAIL_OVER')) expect(follower.restarts).toBe(0);
    }),
    { numRuns: 3_000, seed: 6 },
  );
});

test('a number that a rolled back transaction had, and another one gets after a failover, is not taken for seen', () => {
  const server = new ModelServer();
  const follower = new ModelFollower(server);
  server.begin();
  server.end(0, 'ROLLBACK');
  follower.poll();
  server.failOver();
  server.begin();
  server.end(0, 'COMMIT');
  follower.poll();
  expect(follower.seen).toEqual(['event 1']);
});

const CURSOR: Cursor = { database: 'db', timeline: 2n, synchronous: true, last: 12n, running: [] };
const HEADER = new ModelServer().header(0n);

test.each([
  ['a standby', {}, { timeline: undefined }, 'NOT_PRIMARY'],
  ['a primary that was deposed', {}, { timeline: 1n }, 'NOT_PRIMARY'],
  ['the same primary', {}, { timeline: 2n }, undefined],
  ['the same primary without what was seen', {}, { timeline: 2n, lastIsThere: false }, 'LOST'],
  ['the next primary', {}, { timeline: 3n }, undefined],
  ['the next primary without what was seen', {}, { timeline: 3n, lastIsThere: false }, 'LOST'],
  ['the next primary where commits waited for no standby', { synchronous: false }, { timeline: 3n }, 'LOST'],
])('%s', (_server, cursor, header, expected) => {
  expect(breakAt({ ...CURSOR, ...cursor }, { ...HEADER, ...header })).toBe(expected);
});
