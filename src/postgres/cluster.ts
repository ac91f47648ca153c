import { setTimeout as delay } from 'node:timers/promises';
import { BeatClock, timelineOf } from './beat-clock.js';
import { makeBeat } from './beat-statements.js';
import { FEED_SESSION_SETTINGS } from './feed-statements.js';
import { Node } from './node.js';
import type { Pool, PoolLimits } from './pool.js';
import { createPool, destroyPool } from './pool.js';

export interface ClusterOptions {
  /** All servers of the cluster; which of them is the primary is found out, and may change. */
  readonly urls: readonly string[];
  readonly limits: PoolLimits;
  /** Reads of callers that may run at once at each server. Default 32. */
  readonly readLimit?: number;
  /** Session settings of the pool that writes. */
  readonly writeSettings: Readonly<Record<string, string>>;
  readonly onError: (pool: string, error: unknown) => void;
  /** Told when another server, or none, is the primary. */
  readonly onPrimary?: (name: string | undefined) => void;
}

/** The pause between two looks at a server; a beat older than this is followed by a new one. */
const PERIOD_MS = 200;
/**
 * The primary is not counted on with a beat older than this. Where commits wait for a standby the beat does so too, and
 * a primary that was deposed, or has lost its standbys, cannot move it.
 */
const BEAT_LIMIT_MS = 2_000;
/** A server that answered within this time counts as there. */
const ANSWERING_MS = 2_000;
const START_PATIENCE_MS = 3_000;
const READ_LIMIT = 32;
/** A standby this many beats behind the newest known one is passed over. */
const BEATS_BEHIND = 3n;

/**
 * The server must not give up a beat's wait for a standby: the beat would be seen, and mean nothing. We stop waiting for
 * the answer all the same; while the beat still waits, the next ones wait for its row, and give up after lock_timeout.
 */
const BEAT_SETTINGS = { statement_timeout: '0' };
/** One connection each for the heartbeat and for the feed, so that they wait for nobody. */
const LONE_LIMITS: PoolLimits = { max: 1, min: 0, idleMs: 600_000, lifetimeMs: 1_800_000 };

/** The server that is the primary, on one timeline, and the connections that only a primary has. */
interface Reign {
  readonly node: Node;
  readonly timeline: bigint;
  /** For the ledger alone: pipelined, with the ledger's session settings. */
  readonly writes: Pool;
  readonly beats: Pool;
  /** For the feed alone. */
  readonly feed: Pool;
}

/**
 * The servers, their roles and how far they have come. Each is looked at every 200 ms, by itself, so that one which does
 * not answer holds up none of the others. Of several that say they are the primary the highest timeline is believed; one
 * whose timeline is lower than that of a beat seen anywhere was deposed.
 */
export class Cluster {
  readonly beats = new BeatClock();
  readonly nodes: readonly Node[];
  #reign: Reign | undefined;
  #closed = false;
  #making: Promise<void> | undefined;
  readonly #problems = new Map<Node, unknown>();
  readonly #timers = new Map<Node, NodeJS.Timeout>();
  readonly #looking = new Map<Node, Promise<void>>();

  constructor(private readonly options: ClusterOptions) {
    const { limits, readLimit = READ_LIMIT, onError } = options;
    this.nodes = options.urls.map((url) => new Node({ url, limits, readLimit, onError }));
  }

  /** The primary, if one is known and answers. */
  get primary(): Node | undefined {
    return this.#reign?.node.look === undefined ? undefined : this.#reign.node;
  }

  /** Where the ledger writes; undefined while no primary can be counted on. */
  get writes(): Pool | undefined {
    return this.writable ? this.#reign?.writes : undefined;
  }

  /** Where the feed follows the event log; undefined while no primary is known. */
  get feed(): Pool | undefined {
    return this.#reign?.feed;
  }

  /** Whether a primary is there whose commits go through. */
  get writable(): boolean {
    return this.primary !== undefined && this.isCurrent(this.beats.newestAgeMs);
  }

  /** Whether a snapshot of the primary with a beat of this age is the primary's for sure. */
  isCurrent(beatAgeMs: number | undefined): boolean {
    return beatAgeMs !== undefined && beatAgeMs < BEAT_LIMIT_MS;
  }

  /** Whether some server answers. */
  get answering(): boolean {
    return this.nodes.some((node) => node.answeredWithin(ANSWERING_MS));
  }

  /** Whether a snapshot with this beat is near enough to the newest one. */
  isNear(beat: bigint): boolean {
    return beat >= this.beats.newest - BEATS_BEHIND;
  }

  /** All servers but the primary. */
  get standbys(): readonly Node[] {
    const { primary } = this;
    return this.nodes.filter((node) => node !== primary);
  }

  /** Every pool by its name, for metrics. */
  get pools(): ReadonlyMap<string, Pool> {
    const reads = this.nodes.map((node) => [`reads ${node.name}`, node.reads] as const);
    const reign = this.#reign;
    return new Map(reign === undefined ? reads : [['writes', reign.writes], ...reads]);
  }

  /** Why servers could not be looked at the last time, by their names. */
  get problems(): ReadonlyMap<string, unknown> {
    return new Map([...this.#problems].map(([node, problem]) => [node.name, problem]));
  }

  /** What is known of each server, for metrics. */
  states(): { name: string; up: boolean; primary: boolean; lagSeconds: number | undefined }[] {
    const { primary } = this;
    return this.nodes.map((node) => {
      const look = node.lastLook;
      const ageMs = look && this.beats.ageMs(look.beat, look.beatTimeUs);
      const lagSeconds = ageMs === undefined ? undefined : ageMs / 1000;
      return {
        name: node.name,
        up: node.answeredWithin(ANSWERING_MS),
        primary: node === primary,
        lagSeconds,
      };
    });
  }

  /**
   * Looks at every server, so that roles and ages are known from the start, then every 200 ms. Resolves once there is a
   * primary to write to; or after 3 s without one, to serve reads at least.
   */
  async start(): Promise<void> {
    const patientUntilMs = performance.now() + START_PATIENCE_MS;
    for (;;) {
      await Promise.all(this.nodes.map((node) => this.#look(node)));
      await this.#making;
      if (this.writable || performance.now() > patientUntilMs) break;
      await delay(PERIOD_MS);
    }
    for (const node of this.nodes) this.#schedule(node);
  }

  /** Closes every connection, once what runs on it is done. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all(this.#looking.values());
    const reign = this.#reign;
    if (reign !== undefined) {
      await Promise.all([reign.writes.end(), destroyPool(reign.beats), destroyPool(reign.feed)]);
    }
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  #schedule(node: Node): void {
    if (this.#closed) return;
    const look = () => {
      this.#looking.set(
        node,
        this.#look(node).then(() => this.#schedule(node)),
      );
    };
    this.#timers.set(node, setTimeout(look, PERIOD_MS));
  }

  async #look(node: Node): Promise<void> {
    try {
      const { sentMs, nowUs, beat, beatTimeUs, timeline } = await node.lookAgain();
      this.#problems.delete(node);
      this.beats.sawBeat(beat, beatTimeUs);
      if (timeline !== undefined) this.beats.sawClock(timeline, { sentMs, nowUs });
      this.#elect();
      const isOld = nowUs - beatTimeUs >= PERIOD_MS * 1000;
      // A beat from the future is of a clock that was set back since: it would not get old for as long as that.
      const isDue = isOld || nowUs < beatTimeUs || timeline !== timelineOf(beat);
      if (this.#reign?.node === node && isDue) this.#beat(this.#reign, beat);
    } catch (error) {
      this.#problems.set(node, error);
      this.options.onError(node.name, error);
      this.#elect();
    }
  }

  /** The primary is the highest timeline that is written, unless a beat of a higher one shows that it was deposed. */
  #elect(): void {
    const known = timelineOf(this.beats.newest);
    let elected: { node: Node; timeline: bigint } | undefined;
    for (const node of this.nodes) {
      const timeline = node.look?.timeline;
      if (timeline === undefined || timeline < known) continue;
      if (elected === undefined || timeline > elected.timeline) elected = { node, timeline };
    }
    const reign = this.#reign;
    if (this.#closed) return;
    if (elected === undefined) this.#dropUnlessSilent();
    else if (reign?.node !== elected.node || reign.timeline !== elected.timeline) {
      this.#begin(elected.node, elected.timeline);
    }
  }

  /** A primary that merely does not answer keeps its connections, for when it does again; one that was deposed does not. */
  #dropUnlessSilent(): void {
    const reign = this.#reign;
    if (reign === undefined || reign.node.look === undefined) return;
    this.#end(reign);
    this.#reign = undefined;
    this.options.onPrimary?.(undefined);
  }

  #begin(node: Node, timeline: bigint): void {
    const last = this.#reign;
    const { limits, writeSettings, onError } = this.options;
    const pool = (
      name: string,
      bounds: PoolLimits,
      settings: Readonly<Record<string, string>>,
      pipeline = false,
    ) => {
      const failed = (error: unknown) => onError(`${name} ${node.name}`, error);
      return createPool({ url: node.url, name, limits: bounds, settings, pipeline, onError: failed });
    };
    this.#reign = {
      node,
      timeline,
      writes: pool('writes', limits, writeSettings, true),
      beats: pool('beats', LONE_LIMITS, BEAT_SETTINGS),
      feed: pool('feed', LONE_LIMITS, FEED_SESSION_SETTINGS),
    };
    if (last !== undefined) this.#end(last);
    this.options.onPrimary?.(node.name);
  }

  /** What runs there fails at once, so that it can be settled on the next primary. */
  #end({ writes, beats, feed }: Reign): void {
    for (const pool of [writes, beats, feed]) {
      destroyPool(pool).catch((error: unknown) => this.options.onError('writes', error));
    }
  }

  /** Makes a beat, at most one at a time. */
  #beat({ beats, timeline }: Reign, seen: bigint): void {
    this.#making ??= makeBeat(beats, seen, timeline)
      .then((made) => {
        if (made !== undefined) this.beats.sawBeat(made.beat, made.timeUs);
      })
      .catch((error: unknown) => this.options.onError('beats', error))
      .finally(() => {
        this.#making = undefined;
      });
  }
}
