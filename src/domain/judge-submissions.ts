import type { CountHistory, Decision, Ground } from './decide.js';
import { decide, effectiveTimeOf, isLateCount, refuse } from './decide.js';
import type { Command, Outcome, PriorEvent, StockEvent, StockRow, Submission } from './types.js';

/** What the locks and reads of one transaction found. */
export interface Found {
  readonly stocks: readonly StockRow[];
  /** The events that the commands' ids already have. */
  readonly events: readonly PriorEvent[];
  /** For each count of the past. */
  readonly counts: readonly CountFound[];
  /** The database's clock, read after the lock. */
  readonly nowUs: number;
}

/** What the recorded history of its stock says about one count of the past. */
export interface CountFound extends CountHistory {
  readonly storeId: string;
  readonly eventId: string;
}

/** What came of the submissions, in their order, and what is to be written for it. */
export interface Verdict {
  readonly outcomes: readonly (readonly Outcome[])[];
  readonly events: readonly StockEvent[];
  readonly stocks: readonly StockRow[];
}

/** Judges submissions in arrival order, each command seeing those before it; a repeat inside of them is a replay. */
export function judgeSubmissions(submissions: readonly Submission[], found: Found): Verdict {
  const state = new State(found);
  const outcomes = submissions.map(({ commands, mode }) =>
    mode === 'ATOMIC' ? judgeAtomic(state, commands) : commands.map((command) => state.run(command)),
  );
  return { outcomes, events: state.events, stocks: [...state.stocks.values()] };
}

/**
 * All or none. A batch with any refusal changes nothing: its offenders are recorded with their own reason, the others as
 * BATCH_REFUSED, so that no later repeat of it can take effect. What an id stands for already is given again.
 */
function judgeAtomic(state: State, commands: readonly Command[]): Outcome[] {
  const trial = new State(state.found, state);
  const outcomes = commands.map((command) => trial.run(command));
  if (outcomes.every(tookEffect)) {
    state.take(trial);
    return outcomes;
  }
  return commands.map((command, index) => refuseOne(state, command, outcomes[index]!));
}

function refuseOne(state: State, command: Command, onTrial: Outcome): Outcome {
  const ground = state.groundOf(command);
  // Known already: from the database, or recorded just now for a line of this batch with the same id.
  if (ground.prior !== undefined) return state.write(decide(command, ground));
  if (onTrial.kind !== 'DECIDED') return onTrial;
  const { status, reason, netBefore } = onTrial.event;
  const own = status === 'FAILED' && reason !== undefined;
  return state.write(
    own ? refuse(command, ground, reason, netBefore) : refuse(command, ground, 'BATCH_REFUSED'),
  );
}

const tookEffect = (outcome: Outcome): boolean =>
  outcome.kind === 'DECIDED' && outcome.event.status === 'SUCCESS';

/** The stocks and events as the commands so far leave them, over what was found or over another state. */
class State {
  readonly stocks = new Map<string, StockRow>();
  readonly events: StockEvent[] = [];
  /** The rows as they were locked; what was changed since stands in `stocks`. */
  readonly #locked: ReadonlyMap<string, StockRow>;
  readonly #priors: Map<string, PriorEvent>;

  constructor(
    readonly found: Found,
    private readonly base?: State,
  ) {
    const { stocks, events } = base === undefined ? found : { stocks: [], events: [] };
    this.#locked = new Map(stocks.map((stock) => [keyOf(stock.storeId, stock.productId), stock]));
    this.#priors = new Map(events.map((event) => [keyOf(event.storeId, event.eventId), event]));
  }

  run(command: Command): Outcome {
    return this.write(decide(command, this.groundOf(command)));
  }

  groundOf(command: Command): Ground {
    return {
      stock: this.stock(keyOf(command.storeId, command.productId)),
      prior: this.prior(keyOf(command.storeId, command.eventId)),
      history: isLateCount(command) ? this.#historyOf(command) : undefined,
      nowUs: this.found.nowUs,
    };
  }

  /** Takes in what a decision writes. */
  write({ outcome, event, stock }: Decision): Outcome {
    if (event !== undefined) {
      this.#priors.set(keyOf(event.storeId, event.eventId), event);
      this.events.push(event);
    }
    if (stock !== undefined) this.stocks.set(keyOf(stock.storeId, stock.productId), stock);
    return outcome;
  }

  /** Takes in what a trial over this state wrote. */
  take(trial: State): void {
    for (const [key, prior] of trial.#priors) this.#priors.set(key, prior);
    for (const [key, stock] of trial.stocks) this.stocks.set(key, stock);
    this.events.push(...trial.events);
  }

  private stock(key: string): StockRow | undefined {
    return this.stocks.get(key) ?? this.#locked.get(key) ?? this.base?.stock(key);
  }

  private prior(key: string): PriorEvent | undefined {
    return this.#priors.get(key) ?? this.base?.prior(key);
  }

  #historyOf(command: Command): Ground['history'] {
    const recorded = this.found.counts.find(
      ({ storeId, eventId }) => eventId === command.eventId && storeId === command.storeId,
    );
    let lastCountTimeUs = recorded?.lastCountTimeUs;
    let deltaSince = recorded?.deltaSince ?? 0;
    const timeUs = effectiveTimeOf(command, this.found.nowUs);
    for (const event of this.#written()) {
      if (event.storeId !== command.storeId || event.productId !== command.productId) continue;
      if (event.effectiveTimeUs > timeUs) deltaSince += event.appliedDelta;
      if (event.type === 'COUNT' && event.status === 'SUCCESS') {
        lastCountTimeUs = Math.max(lastCountTimeUs ?? 0, event.effectiveTimeUs);
      }
    }
    return { lastCountTimeUs, deltaSince };
  }

  /** Everything that this transaction records so far. */
  *#written(): Generator<StockEvent> {
    if (this.base !== undefined) yield* this.base.#written();
    yield* this.events;
  }
}

/** Ids hold no control characters, so a NUL keeps the two parts apart. */
export const keyOf = (storeId: string, id: string): string => `${storeId}\0${id}`;
