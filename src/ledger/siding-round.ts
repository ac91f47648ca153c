import { keyOf } from '../domain/judge-submissions.js';
import type { Pending } from './pending.js';

/**
 * What keeps it in order: its stocks; of a message its log, which stands for them, since none but messages of the same store
 * are about them here.
 */
export const orderedBy = ({ submission: { commands, message } }: Pending): string[] =>
  message === undefined
    ? commands.map(({ storeId, productId }) => keyOf(storeId, productId))
    : [keyOf(message.storeId, '')];

/**
 * One round through all that waits on a siding, so that what is stuck keeps nothing else from going on: the first of each stock or
 * log is tried once, a few in each transaction; what stands behind it follows once it has passed, and waits where it has not.
 */
export class SidingRound {
  /** Not tried, in the order in which they came. */
  readonly #open: Set<Pending>;
  /** Tried, and still stuck. */
  readonly #stuck: Pending[] = [];
  readonly #stuckNames = new Set<string>();
  readonly #passedNames = new Set<string>();

  #commands: number;

  constructor(pendings: readonly Pending[]) {
    this.#open = new Set(pendings);
    this.#commands = sizeOf(pendings);
  }

  /** Commands that have no answer yet. */
  get commands(): number {
    return this.#commands;
  }

  /** All that has no answer yet; those of one stock or log in their order. */
  get left(): Pending[] {
    return [...this.#stuck, ...this.#open];
  }

  /** What is to be tried next; none where the round is over. Those whose deadline has passed are dropped. */
  next(batchLimit: number): Pending[] {
    const nowMs = performance.now();
    const barred = new Set(this.#stuckNames);
    const taken: Pending[] = [];
    let commands = 0;
    for (const pending of this.#open) {
      if (commands > 0 && commands + pending.size > batchLimit) break;
      if (pending.isOver(nowMs)) {
        this.#close(pending);
        continue;
      }
      const names = orderedBy(pending);
      const waits = names.some((name) => barred.has(name));
      for (const name of names) if (waits || !this.#passedNames.has(name)) barred.add(name);
      if (waits) continue;
      taken.push(pending);
      commands += pending.size;
    }
    return taken;
  }

  /** @param stuck what is left of the batch, which may be parts of it. */
  tried(batch: readonly Pending[], stuck: readonly Pending[]): void {
    for (const pending of batch) {
      this.#close(pending);
      for (const name of orderedBy(pending)) this.#passedNames.add(name);
    }
    for (const name of stuck.flatMap(orderedBy)) this.#stuckNames.add(name);
    this.#stuck.push(...stuck);
    this.#commands += sizeOf(stuck);
  }

  #close(pending: Pending): void {
    this.#open.delete(pending);
    this.#commands -= pending.size;
  }
}

const sizeOf = (pendings: readonly Pending[]): number => pendings.reduce((sum, { size }) => sum + size, 0);
