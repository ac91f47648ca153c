import { Tail } from '../src/feed/tail.js';
import { LEDGER_SESSION_SETTINGS } from '../src/ledger/ledger.js';
import { Cluster } from '../src/postgres/cluster.js';
import { nowMs } from './process-clocks.js';

/**
 * The feed alone, in a process of its own: a child of the benchmark that says `began` once it follows the log of the
 * database it is given, and answers each `end` with what it saw since the last `begin`.
 */

export type TailRequest = { readonly begin: { readonly hinted: boolean } } | { readonly end: true };

export type TailAnswer = { readonly began: true } | { readonly seen: TailSample };

export interface TailSample {
  /** Of each poll, from when it is sent until its changes are delivered. */
  readonly pollsMs: number[];
  /** Of each poll: how many changes it brought. */
  readonly rows: number[];
  /** Which transactions were delivered, by the actor of their events, and when: nowMs(). */
  readonly deliveries: [actor: string, timeMs: number][];
  /** Processor time of this process. */
  readonly cpuSeconds: number;
  /** Polls that failed, and times that the feed had to begin anew: what was measured is then worth nothing. */
  readonly failures: string[];
}

/** More often than the tail polls for hints: as where another process commits all the time. */
const HINT_EVERY_MS = 5;
const PATIENCE_MS = 30_000;

/** What one tail has seen since it was last asked to begin. */
class Observation {
  readonly #pollsMs: number[] = [];
  readonly #rows: number[] = [];
  readonly #deliveries = new Map<string, number>();
  readonly #cpu = process.cpuUsage();
  readonly failures: string[] = [];

  polled(rows: number, seconds: number): void {
    this.#pollsMs.push(seconds * 1000);
    this.#rows.push(rows);
  }

  delivered(actors: Iterable<string>): void {
    const timeMs = nowMs();
    for (const actor of actors) if (!this.#deliveries.has(actor)) this.#deliveries.set(actor, timeMs);
  }

  sample(): TailSample {
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      pollsMs: this.#pollsMs,
      rows: this.#rows,
      deliveries: [...this.#deliveries],
      cpuSeconds: (user + system) / 1e6,
      failures: this.failures,
    };
  }
}

async function follow(databaseUrl: string): Promise<void> {
  let seen = new Observation();
  let hints: NodeJS.Timeout | undefined;
  const cluster = new Cluster({
    urls: [databaseUrl],
    limits: { max: 2, min: 0, idleMs: 10_000, lifetimeMs: 600_000 },
    writeSettings: LEDGER_SESSION_SETTINGS,
    onError: () => undefined,
  });
  const observer = {
    polled: (rows: number, seconds: number) => seen.polled(rows, seconds),
    failed: (error: unknown) => seen.failures.push(String(error)),
    restarted: (cause: string) => seen.failures.push(`the feed began anew: ${cause}`),
  };
  const tail = new Tail({ feed: () => cluster.feed, beats: cluster.beats, observer });
  const say = (answer: TailAnswer) => process.send?.(answer);
  tail.listen({
    advanced: (_position, changes) => seen.delivered(changes.map((change) => change.actor)),
    restarted: () => say({ began: true }),
  });
  process.on('message', async (request: TailRequest) => {
    clearInterval(hints);
    if ('begin' in request) {
      seen = new Observation();
      if (request.begin.hinted) hints = setInterval(() => tail.hint(), HINT_EVERY_MS);
      return;
    }
    // After a poll that begins now everything committed has been delivered.
    await tail.freshPosition(PATIENCE_MS).catch((error: unknown) => observer.failed(error));
    say({ seen: seen.sample() });
  });
  await cluster.start();
  tail.start();
}

process.on('disconnect', () => process.exit());
await follow(process.argv[2] ?? '');
