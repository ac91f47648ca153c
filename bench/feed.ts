import { type ChildProcess, fork } from 'node:child_process';
import { on } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withConnection } from '../src/dev/postgres-session.js';
import { projectRoot } from '../src/project-root.js';
import { ONHAND_DATABASE, type ServerSettings } from './databases.js';
import type { Database } from './environment.js';
import { type PlannedPoll, planPoll } from './feed-plan.js';
import type { TailAnswer, TailRequest, TailSample } from './feed-tail.js';
import { type Written, writeEvents } from './feed-writers.js';
import { cpuSecondsOf, nowMs } from './process-clocks.js';
import { quantile } from './statistics.js';

export interface FeedOptions {
  /** Of each measured run. */
  readonly seconds: number;
}

/** What following the event log costs, by how many processes do it. */
export interface FeedResult {
  readonly server: ServerSettings;
  readonly eventsPerSecondAsked: number;
  readonly runs: readonly FeedRun[];
  readonly plans: Readonly<Record<string, PlannedPoll>>;
}

export interface FeedRun {
  readonly name: string;
  /** Processes that follow the log. */
  readonly feeds: number;
  /** Written; 0 at rest. */
  readonly eventsPerSecond: number;
  /** Each feed's, from when a poll is sent until its changes are delivered. */
  readonly polls: {
    readonly perSecond: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly rowsP50: number;
    readonly rowsMax: number;
    /** Processor time of the server for one poll. */
    readonly serverMs: number;
  };
  /** Processor seconds per second: of the server for all feeds and for all writers, and of the processes that follow. */
  readonly cpu: { readonly feeds: number; readonly writers: number; readonly processes: number };
  /** From the answer to the writer's commit until its events are delivered; undefined at rest. */
  readonly delay: { readonly p50Ms: number; readonly p99Ms: number } | undefined;
}

const FEEDS = [1, 3, 10];
const EVENTS_PER_SECOND = 15_000;
/** Hinted: as where Redis tells of each commit at once. */
const KINDS = [
  { name: 'at rest', writes: false, hinted: false },
  { name: 'under writes', writes: true, hinted: false },
  { name: 'under writes, hinted', writes: true, hinted: true },
] as const;

type Kind = (typeof KINDS)[number];

/** One process that follows the log. */
class TailProcess {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<[TailAnswer]>;

  constructor(databaseUrl: string) {
    this.#child = fork(join(projectRoot(), 'dist/bench/feed-tail.js'), [databaseUrl]);
    this.#answers = on(this.#child, 'message', { close: ['exit'] }) as AsyncIterator<[TailAnswer]>;
  }

  async began(): Promise<void> {
    await this.#answer();
  }

  begin(hinted: boolean): void {
    this.#ask({ begin: { hinted } });
  }

  /** @throws Error where polls failed. */
  async end(): Promise<TailSample> {
    this.#ask({ end: true });
    const answer = await this.#answer();
    if (!('seen' in answer)) throw new Error('the feed began anew');
    if (answer.seen.failures.length > 0) throw new Error(`polls failed: ${answer.seen.failures.join('; ')}`);
    return answer.seen;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  #ask(request: TailRequest): void {
    this.#child.send(request);
  }

  async #answer(): Promise<TailAnswer> {
    const { done, value } = await this.#answers.next();
    if (done) throw new Error('a process that follows the log has ended');
    return value[0];
  }
}

/** Measures the polls of the feed. */
export class FeedBench {
  readonly #databaseUrl: string;
  readonly #tails: TailProcess[] = [];

  constructor(
    private readonly database: Database,
    private readonly options: FeedOptions,
    private readonly progress: (line: string) => void,
  ) {
    this.#databaseUrl = database.server.url(ONHAND_DATABASE);
  }

  /** @throws Error where a poll or a write failed. */
  async run(): Promise<FeedResult> {
    const runs: FeedRun[] = [];
    try {
      for (const feeds of FEEDS) {
        await this.#follow(feeds);
        for (const kind of KINDS) {
          const run = await this.#measure(kind);
          runs.push(run);
          this.progress(
            `${feeds} feeds ${kind.name}: polls ${run.polls.p50Ms.toFixed(1)} ms, ${Math.round(run.eventsPerSecond)} events /s`,
          );
        }
      }
      return {
        server: this.database.settings,
        eventsPerSecondAsked: EVENTS_PER_SECOND,
        runs,
        plans: await this.#plans(),
      };
    } finally {
      for (const tail of this.#tails) tail.stop();
    }
  }

  /** Starts processes until there are so many. */
  async #follow(feeds: number): Promise<void> {
    while (this.#tails.length < feeds) {
      const tail = new TailProcess(this.#databaseUrl);
      this.#tails.push(tail);
      await tail.began();
    }
  }

  async #measure({ name, writes, hinted }: Kind): Promise<FeedRun> {
    const { seconds } = this.options;
    const backends = await this.#feedBackends();
    const startMs = nowMs();
    const cpuBefore = cpuOf(backends);
    for (const tail of this.#tails) tail.begin(hinted);
    const written = writes ? await writeEvents(this.#databaseUrl, EVENTS_PER_SECOND, seconds) : undefined;
    if (!writes) await delay(seconds * 1000);
    const samples = await Promise.all(this.#tails.map((tail) => tail.end()));
    const elapsed = (nowMs() - startMs) / 1000;
    const cpuFeeds = (cpuOf(backends) - cpuBefore) / elapsed;
    return {
      ...{ name, feeds: this.#tails.length },
      eventsPerSecond: written === undefined ? 0 : written.events / written.seconds,
      polls: pollsOf(samples, elapsed, cpuFeeds),
      cpu: {
        feeds: cpuFeeds,
        writers: written === undefined ? 0 : written.cpuSeconds / written.seconds,
        processes: samples.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / elapsed,
      },
      delay: written && delaysOf(samples, written),
    };
  }

  async #feedBackends(): Promise<number[]> {
    return await withConnection(this.#databaseUrl, async (client) => {
      const { rows } = await client.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'onhand feed' AND datname = current_database()`,
      );
      return rows.map((row) => row.pid);
    });
  }

  /** With nothing new, and while events come. */
  async #plans(): Promise<Record<string, PlannedPoll>> {
    const atRest = await planPoll(this.#databaseUrl);
    const writing = writeEvents(this.#databaseUrl, EVENTS_PER_SECOND, 1);
    const [underWrites] = await Promise.all([planPoll(this.#databaseUrl), writing]);
    return { 'at rest': atRest, 'under writes': underWrites };
  }
}

const cpuOf = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);

function pollsOf(samples: readonly TailSample[], seconds: number, cpuFeeds: number): FeedRun['polls'] {
  const ascending = (values: number[]) => values.sort((a, b) => a - b);
  const pollsMs = ascending(samples.flatMap((sample) => sample.pollsMs));
  const rows = ascending(samples.flatMap((sample) => sample.rows));
  return {
    perSecond: pollsMs.length / samples.length / seconds,
    p50Ms: quantile(pollsMs, 0.5),
    p99Ms: quantile(pollsMs, 0.99),
    rowsP50: quantile(rows, 0.5),
    rowsMax: quantile(rows, 1),
    serverMs: (1000 * cpuFeeds * seconds) / pollsMs.length,
  };
}

/** Over all feeds and transactions. @throws Error where a feed has not delivered one. */
export function delaysOf(
  samples: readonly Pick<TailSample, 'deliveries'>[],
  { commits }: Pick<Written, 'commits'>,
): NonNullable<FeedRun['delay']> {
  const delaysMs = samples.flatMap(({ deliveries }) => {
    const delivered = new Map(deliveries);
    return [...commits].map(([actor, committedMs]) => {
      const deliveredMs = delivered.get(actor);
      if (deliveredMs === undefined) throw new Error(`transaction ${actor} was committed and not delivered`);
      // A poll may see a commit before the writer has its answer.
      return Math.max(deliveredMs - committedMs, 0);
    });
  });
  delaysMs.sort((a, b) => a - b);
  return { p50Ms: quantile(delaysMs, 0.5), p99Ms: quantile(delaysMs, 0.99) };
}
