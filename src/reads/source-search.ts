import { Late, within } from '../in-time.js';
import type { Cluster } from '../postgres/cluster.js';
import type { Node } from '../postgres/node.js';
import { GateFull } from '../postgres/read-gate.js';
import type { ReadFrom, Snapshot } from '../postgres/snapshot.js';
import { classifyFailure } from '../postgres/sql-errors.js';
import { type Freshness, freshnessOf, type ReadObserver, type Source } from './freshness.js';

export type Read<S extends Snapshot> = (from: ReadFrom) => Promise<S>;

/** What a snapshot that is not the primary's must hold. */
export interface Needs<S extends Snapshot> {
  /** To be the answer. */
  readonly complete: (snapshot: S) => boolean;
  /** To be the answer at least where the primary cannot be reached. */
  readonly acceptable: (snapshot: S) => boolean;
}

export interface SearchOptions {
  /** On the clock of performance.now(). */
  readonly deadlineMs: number;
  readonly observer: ReadObserver;
}

/** A server is given this long; it is waited for at most half of the time that is left, then the next one is asked. */
export const SERVER_TIMEOUT_MS = 1_000;
/** So long a read waits at most until fewer run at a server. */
const GATE_PATIENCE_MS = 500;
/** Left for the answer's way back. */
export const RESERVE_MS = 20;

/** Longer without an answer to a look (there are five a second), and others are asked first. */
export const SILENT_AFTER_MS = 1_000;

const beatOf = (node: Node): bigint => node.lastLook?.beat ?? -1n;

const isAnswering = (node: Node): boolean => !node.resting && node.answeredWithin(SILENT_AFTER_MS);

const mayBeNewer = (node: Node, { beat }: Snapshot): boolean => isAnswering(node) && beatOf(node) > beat;

const isDefect = (cluster: Cluster, node: Node, error: unknown): boolean =>
  node === cluster.primary && classifyFailure(error) === 'OTHER';

/** One read's way from server to server, until one can answer it. */
export class SourceSearch<S extends Snapshot> {
  /** Why the last server that failed could not answer. */
  lastError: unknown;
  /** The newest answer that would do if nothing better can be reached. */
  #fallback: (S & Freshness) | undefined;
  /** Those that had their full time, and could not answer. */
  readonly #failed = new Set<Node>();

  constructor(
    private readonly cluster: Cluster,
    private readonly read: Read<S>,
    private readonly needs: Needs<S>,
    private readonly options: SearchOptions,
  ) {}

  /**
   * Standbys that are near the newest beat, the least loaded first; then the primary; then whatever still answers. None
   * is waited for while another one could answer: a server that hangs keeps its connections and says nothing.
   *
   * @param turn whose turn it is among standbys of the same load.
   */
  async byDefault(turn: number): Promise<(S & Freshness) | undefined> {
    const { near, far } = this.#standbys(turn);
    for (const node of near) {
      const answer = await this.#ask(node);
      if (answer !== undefined && this.#isGood(node, answer)) return answer;
    }
    const { primary } = this.cluster;
    const isLast = far.length === 0 && this.#fallback === undefined;
    if (primary !== undefined && (isLast || isAnswering(primary))) {
      const answer = await this.#askPrimary(primary, isLast ? Number.POSITIVE_INFINITY : SERVER_TIMEOUT_MS);
      if (answer !== undefined) return answer;
    }
    for (const node of far) {
      if (this.#fallback !== undefined && !mayBeNewer(node, this.#fallback)) continue;
      const answer = await this.#ask(node);
      if (answer !== undefined) this.#keep(answer);
    }
    if (primary === undefined || isLast || !this.#isWorthAsking(primary)) return this.#kept;
    const patienceMs = this.#fallback === undefined ? Number.POSITIVE_INFINITY : SERVER_TIMEOUT_MS;
    return (await this.#askPrimary(primary, patienceMs)) ?? this.#kept;
  }

  /** The primary, where its own snapshot shows that it is one: it takes commits, and did so within the last 2 s. */
  async onPrimaryForSure(): Promise<(S & Freshness) | undefined> {
    const { primary } = this.cluster;
    if (primary === undefined) return undefined;
    const answer = await this.#ask(primary, Number.POSITIVE_INFINITY);
    if (answer === undefined) return undefined;
    if (!answer.standby && this.cluster.isCurrent(this.#ageOf(answer))) return answer;
    this.options.observer.fellBack(primary.name, 'NOT_PRIMARY');
    return undefined;
  }

  /** Where there is nothing else; or nothing but a stale answer, and it answers looks, though it failed some other read. */
  #isWorthAsking(primary: Node): boolean {
    const kept = this.#kept;
    if (kept === undefined) return true;
    return kept.stale && primary.answeredWithin(SILENT_AFTER_MS) && !this.#failed.has(primary);
  }

  /** `far` begins with those that answer, of them the one that has come furthest. */
  #standbys(turn: number): { near: Node[]; far: Node[] } {
    const { standbys } = this.cluster;
    const first = standbys.length > 1 ? turn % standbys.length : 0;
    const inTurn = [...standbys.slice(first), ...standbys.slice(0, first)];
    const isNear = (node: Node) => isAnswering(node) && this.cluster.isNear(beatOf(node));
    const near = inTurn.filter(isNear).sort((a, b) => a.load - b.load);
    const far = inTurn
      .filter((node) => !isNear(node))
      .sort((a, b) => Number(isAnswering(b)) - Number(isAnswering(a)) || Number(beatOf(b) - beatOf(a)));
    return { near, far };
  }

  /** Its answer, unless it was none: a stale one, or one of a server that is no primary any more, is kept at most. */
  async #askPrimary(primary: Node, patienceMs: number): Promise<(S & Freshness) | undefined> {
    const answer = await this.#ask(primary, patienceMs);
    if (answer === undefined || !(answer.stale || answer.standby)) return answer;
    this.#keep(answer);
    return undefined;
  }

  #isGood(node: Node, answer: S & Freshness): boolean {
    // With no primary to ask, the nearest one is as good as it gets, and says how old it is.
    const behind = !this.cluster.isNear(answer.beat) || (answer.stale && this.cluster.primary !== undefined);
    if (!behind && this.needs.complete(answer)) return true;
    this.options.observer.fellBack(node.name, behind ? 'BEHIND' : 'INCOMPLETE');
    this.#keep(answer);
    return false;
  }

  /** The fallback, as old as it is now: others may have been waited for since it was read. */
  get #kept(): (S & Freshness) | undefined {
    const fallback = this.#fallback;
    return fallback && { ...fallback, ...this.#freshness(fallback.source, fallback) };
  }

  #keep(answer: S & Freshness): void {
    if (this.needs.acceptable(answer) && answer.beat > (this.#fallback?.beat ?? -1n)) this.#fallback = answer;
  }

  /** @throws what goes wrong on the primary for other reasons than that it cannot be reached: a defect. */
  async #ask(node: Node, patienceMs = SERVER_TIMEOUT_MS): Promise<(S & Freshness) | undefined> {
    const leftMs = this.options.deadlineMs - performance.now() - RESERVE_MS;
    if (leftMs <= 0) return undefined;
    const timeoutMs = patienceMs === Number.POSITIVE_INFINITY ? leftMs : Math.min(patienceMs, leftMs / 2);
    try {
      const reading = node.gate.run(Math.min(timeoutMs, GATE_PATIENCE_MS), () =>
        this.#readAt(node, Math.max(timeoutMs, SERVER_TIMEOUT_MS)),
      );
      const snapshot = await within(timeoutMs, reading);
      const source = node === this.cluster.primary ? 'PRIMARY' : 'REPLICA';
      return { ...snapshot, ...this.#freshness(source, snapshot) };
    } catch (error) {
      const cause = error instanceof GateFull ? 'FULL' : error instanceof Late ? 'LATE' : 'FAILED';
      if (cause === 'FAILED' && isDefect(this.cluster, node, error)) throw error;
      this.lastError = error;
      this.options.observer.fellBack(node.name, cause);
      return undefined;
    }
  }

  /**
   * The server has its full time, however soon its caller leaves: a caller in haste must not be taken for a server that
   * does not answer, and the driver drops a connection whose answer nobody waits for.
   */
  async #readAt(node: Node, timeoutMs: number): Promise<S> {
    try {
      return await this.read({ pool: node.reads, timeoutMs });
    } catch (error) {
      if (!isDefect(this.cluster, node, error)) {
        this.#failed.add(node);
        node.rest();
      }
      throw error;
    }
  }

  #ageOf(snapshot: Snapshot): number | undefined {
    this.cluster.beats.sawBeat(snapshot.beat, snapshot.beatTimeUs);
    return this.cluster.beats.ageMs(snapshot.beat, snapshot.beatTimeUs);
  }

  #freshness(source: Source, snapshot: Snapshot): Freshness {
    return freshnessOf(source, this.#ageOf(snapshot) ?? Number.POSITIVE_INFINITY);
  }
}
