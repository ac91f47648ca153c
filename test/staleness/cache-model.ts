/**
 * For tests: a model of all that decides what a cache may serve, small enough to be run through millions of steps. One
 * primary whose transactions become visible in another order than that in which replicas show them; beats; one Redis that
 * forgets and remembers what it likes; and processes that poll, hear of commits, read, fill caches late, and start again.
 */

/** A stock as a snapshot showed it, or as a write left it. */
export interface ModelCopy {
  readonly key: number;
  readonly version: number;
  /** The beat in that snapshot. */
  readonly asOf: number;
}

/** The caches of a process, as far as they decide. */
export interface ModelCaches {
  /** The feed begins with a poll that showed this beat. */
  restarted(beat: number): void;
  /** A poll that showed this beat delivers changes. */
  advanced(beat: number, changes: readonly Omit<ModelCopy, 'asOf'>[]): void;
  /** Another process tells what it has committed. */
  heard(copy: ModelCopy): void;
  /** A copy was read, maybe long ago. */
  offer(copy: ModelCopy): void;
  /** Whether a copy out of Redis is an answer. */
  accepts(copy: ModelCopy): boolean;
  /** The version in this process's memory. */
  get(key: number): number | undefined;
}

export const KEYS = 4;
const PROCESSES = 2;
const REPLICAS = 2;

/** A transaction, in the order of the WAL: that is the order in which replicas show it. */
interface Commit {
  /** A new beat, or a new version of a stock. */
  readonly beat?: number;
  readonly copy?: ModelCopy;
}

/** What a snapshot shows. */
interface Shown {
  readonly beat: number;
  readonly versions: readonly number[];
}

function shownBy(commits: Iterable<Commit>): Shown {
  let shownBeat = 1;
  const versions = Array<number>(KEYS).fill(0);
  for (const { beat = 0, copy } of commits) {
    shownBeat = Math.max(shownBeat, beat);
    if (copy !== undefined) versions[copy.key] = Math.max(versions[copy.key]!, copy.version);
  }
  return { beat: shownBeat, versions };
}

/** The primary and its replicas. */
class Servers {
  readonly #wal: Commit[] = [];
  /** Not visible on the primary yet; each holds its row's lock until then. */
  readonly #hidden: Commit[] = [];
  readonly #visible: Commit[] = [];
  readonly #replayed: number[] = Array<number>(REPLICAS).fill(0);

  get primary(): Shown {
    return shownBy(this.#visible);
  }

  /** The primary comes last. */
  server(number: number): Shown {
    const replayed = this.#replayed[number];
    return replayed === undefined ? this.primary : shownBy(this.#wal.slice(0, replayed));
  }

  write(key: number): void {
    if (this.#hidden.some(({ copy }) => copy?.key === key)) return;
    const { beat: asOf, versions } = this.primary;
    this.#commit({ copy: { key, version: versions[key]! + 1, asOf } });
  }

  /** Made by one who sees the last one. */
  makeBeat(): void {
    if (this.#hidden.some(({ beat }) => beat !== undefined)) return;
    this.#commit({ beat: this.primary.beat + 1 });
  }

  /** Any of those that wait becomes visible: that is not the order of the WAL. @returns the stock that it wrote. */
  show(which: number): ModelCopy | undefined {
    const commit = takeOne(this.#hidden, which);
    if (commit !== undefined) this.#visible.push(commit);
    return commit?.copy;
  }

  replay(number: number, commits: number): void {
    this.#replayed[number] = Math.min(this.#wal.length, this.#replayed[number]! + commits);
  }

  #commit(commit: Commit): void {
    this.#wal.push(commit);
    this.#hidden.push(commit);
  }
}

/** The entries of Redis, as its script replaces them. */
class SharedEntries {
  #entries = new Map<number, ModelCopy>();
  #dump = new Map<number, ModelCopy>();

  get(key: number): ModelCopy | undefined {
    return this.#entries.get(key);
  }

  put(copy: ModelCopy): void {
    const { version = -1, asOf = -1 } = this.#entries.get(copy.key) ?? {};
    if (copy.version > version || (copy.version === version && copy.asOf > asOf))
      this.#entries.set(copy.key, copy);
  }

  evict(key: number): void {
    this.#entries.delete(key);
  }

  dump(): void {
    this.#dump = new Map(this.#entries);
  }

  restore(): void {
    this.#entries = new Map(this.#dump);
  }
}

interface Process {
  caches: ModelCaches;
  /** What its last poll showed; undefined before the first one: it serves nothing from caches then. */
  polled: Shown | undefined;
  /** Copies that it has read, and not used yet. */
  held: { readonly copy: ModelCopy; readonly fromRedis: boolean }[];
}

export const STEPS = [
  ...(['write', 'beat', 'show', 'replay', 'poll', 'hear', 'read', 'fetch', 'use', 'put', 'get'] as const),
  ...(['evict', 'dump', 'restore', 'restart'] as const),
] as const;
type StepName = (typeof STEPS)[number];
/** What happens; to which of several; to which stock. */
export type Step = readonly [name: StepName, which: number, key: number];

/** One history of all of it. */
export class CacheModel {
  /** Answers that lacked a change which the process that gave them had been shown by its last poll. */
  readonly stale: string[] = [];
  served = 0;
  readonly #servers = new Servers();
  readonly #redis = new SharedEntries();
  /** On their way to Redis. */
  readonly #puts: ModelCopy[] = [];
  /** Committed, and on their way to other processes. */
  readonly #hints: ModelCopy[] = [];
  readonly #processes: readonly Process[];

  /** @param makeCaches what a process has when it starts. */
  constructor(private readonly makeCaches: () => ModelCaches) {
    this.#processes = Array.from({ length: PROCESSES }, () => this.#begin());
  }

  readonly #steps: Readonly<Record<StepName, (process: Process, which: number, key: number) => void>> = {
    write: (_process, _which, key) => this.#servers.write(key),
    beat: () => this.#servers.makeBeat(),
    show: (_process, which) => this.#show(which),
    replay: (_process, which, key) => this.#servers.replay(which % REPLICAS, 1 + key),
    poll: (process) => this.#poll(process),
    hear: (process, which) => this.#hear(process, which),
    read: (process, which, key) => this.#read(process, which % (REPLICAS + 1), key),
    fetch: (process, _which, key) => this.#fetch(process, key),
    use: (process, which) => this.#use(process, which),
    put: (_process, which) => this.#put(which),
    get: (process, _which, key) => this.#answer(process, key, process.caches.get(key)),
    evict: (_process, _which, key) => this.#redis.evict(key),
    dump: () => this.#redis.dump(),
    restore: () => this.#redis.restore(),
    restart: (process) => Object.assign(process, this.#begin()),
  };

  take([name, which, key]: Step): void {
    this.#steps[name](this.#processes[which % this.#processes.length]!, which, key);
  }

  #begin(): Process {
    return { caches: this.makeCaches(), polled: undefined, held: [] };
  }

  /** What was committed goes to Redis and to the other processes: soon, late or never. */
  #show(which: number): void {
    const copy = this.#servers.show(which);
    if (copy === undefined) return;
    this.#puts.push(copy);
    this.#hints.push(copy);
  }

  #put(which: number): void {
    const copy = takeOne(this.#puts, which);
    if (copy !== undefined) this.#redis.put(copy);
  }

  #hear({ caches, polled }: Process, which: number): void {
    const copy = takeOne(this.#hints, which);
    if (copy !== undefined && polled !== undefined) caches.heard(copy);
  }

  #poll(process: Process): void {
    const { primary } = this.#servers;
    const { polled, caches } = process;
    process.polled = primary;
    if (polled === undefined) {
      caches.restarted(primary.beat);
      return;
    }
    const changes = primary.versions.flatMap((version, key) => {
      const known = polled.versions[key]!;
      return Array.from({ length: version - known }, (_, index) => ({ key, version: known + 1 + index }));
    });
    caches.advanced(primary.beat, changes);
  }

  /** From a replica or the primary; used later. */
  #read(process: Process, server: number, key: number): void {
    const { beat, versions } = this.#servers.server(server);
    const copy = { key, version: versions[key]!, asOf: beat };
    process.held.push({ copy, fromRedis: false });
    this.#puts.push(copy);
  }

  #fetch(process: Process, key: number): void {
    const copy = this.#redis.get(key);
    if (copy !== undefined) process.held.push({ copy, fromRedis: true });
  }

  /** A copy out of Redis is an answer where it is accepted; one out of a database is one anyway, of its own age. */
  #use(process: Process, which: number): void {
    const held = takeOne(process.held, which);
    if (held === undefined || process.polled === undefined) return;
    const { copy, fromRedis } = held;
    if (fromRedis && process.caches.accepts(copy)) this.#answer(process, copy.key, copy.version);
    process.caches.offer(copy);
  }

  #answer({ polled }: Process, key: number, version: number | undefined): void {
    if (version === undefined || polled === undefined) return;
    this.served++;
    const known = polled.versions[key]!;
    if (version < known) this.stale.push(`version ${version} of ${key} where ${known} was known`);
  }
}

const takeOne = <T>(things: T[], which: number): T | undefined =>
  things.splice(which % Math.max(1, things.length), 1)[0];
