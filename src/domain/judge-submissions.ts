import type { Decision, Ground, StockHistory } from './decide.js';
import { decide, effectiveTimeOf, isLateCount, refuse } from './decide.js';
import { InventoryError } from './errors.js';
import { logForked, type Placed } from './store-log.js';
import type { Command, LogMessage, Outcome, PriorEvent, StockEvent, StockKey, StockRow } from './types.js';

/** What the locks and reads of one transaction found. */
export interface Found {
  readonly stocks: readonly StockRow[];
  /** The events that the commands' ids already have. */
  readonly events: readonly PriorEvent[];
  /** For each count of the past, and each count of a message that is the next one of its log. */
  readonly counts: readonly CountFound[];
  /** For the stocks that messages are about and that were counted. */
  readonly lastCounts: readonly LastCount[];
  /** Under which other ids what was refused online is recorded, by `keyOf(storeId, eventId)`. */
  readonly otherIds: ReadonlyMap<string, string>;
  /** The database's clock, read after the lock. */
  readonly nowUs: number;
}

/** What the recorded history of its stock says about one count of the past. */
export interface CountFound extends StockHistory {
  readonly storeId: string;
  readonly eventId: string;
}

/** When the newest recorded count of a stock took effect. */
export interface LastCount extends StockKey {
  readonly timeUs: number;
}

/** What came of the submissions, in their order, and what is to be written for it. */
export interface Verdict {
  /** An error where a submission was not taken. */
  readonly outcomes: readonly (readonly Outcome[] | InventoryError)[];
  readonly events: readonly StockEvent[];
  readonly stocks: readonly StockRow[];
}

/** Judges submissions in arrival order, each command seeing those before it; a repeat inside of them is a replay. */
export function judgeSubmissions(submissions: readonly (Placed | InventoryError)[], found: Found): Verdict {
  const state = new State(found);
  const outcomes = submissions.map((each) => (each instanceof InventoryError ? each : judgeOne(state, each)));
  return { outcomes, events: state.events, stocks: [...state.stocks.values()] };
}

function judgeOne(state: State, { commands, mode, message, place }: Placed): Outcome[] | InventoryError {
  state.message = message;
  if (message !== undefined && place === 'REPEAT') {
    const unknown = commands.find((command) => state.groundOf(command).prior === undefined);
    if (unknown !== undefined) return logForked(message, unknown.eventId);
  }
  if (mode === 'ATOMIC') return judgeAtomic(state, commands, message?.incomplete === true);
  return commands.map((command) => state.run(command));
}

/**
 * All or none. A batch with any refusal changes nothing: its offenders are recorded with their own reason, the others as
 * BATCH_REFUSED, so that no later repeat of it can take effect. What an id stands for already is given again.
 */
function judgeAtomic(state: State, commands: readonly Command[], incomplete: boolean): Outcome[] {
  const trial = new State(state.found, state);
  const outcomes = commands.map((command) => trial.run(command));
  if (!incomplete && outcomes.every(tookEffect)) {
    state.take(trial);
    return outcomes;
  }
  return commands.map((command, index) => refuseOne(state, command, outcomes[index]!));
}

function refuseOne(state: State, command: Command, onTrial: Outcome): Outcome {
  const ground = state.groundOf(command);
  // Known already: from the database, or recorded just now for a line of this batch with the same id.
  const named = state.named(command);
  if (ground.prior !== undefined) return state.write(decide(named, ground));
  if (onTrial.kind !== 'DECIDED') return onTrial;
  const { status, reason, netBefore } = onTrial.event;
  const own = status === 'FAILED' && reason !== undefined;
  return state.write(own ? refuse(named, ground, reason, netBefore) : refuse(named, ground, 'BATCH_REFUSED'));
}

const tookEffect = (outcome: Outcome): boolean =>
  outcome.kind === 'DECIDED' && outcome.event.status === 'SUCCESS';

/** The stocks and events as the commands so far leave them, over what was found or over another state. */
class State {
  readonly stocks = new Map<string, StockRow>();
  readonly events: StockEvent[] = [];
  /** Which message is being judged. */
  message: LogMessage | undefined;
  /** The rows as they were locked; what was changed since stands in `stocks`. */
  readonly #locked: ReadonlyMap<string, StockRow>;
  readonly #priors: Map<string, PriorEvent>;
  /** `events`, as far as they are sorted by stock; only where histories are asked for. */
  readonly #byStock = new Map<string, StockEvent[]>();
  #sorted = 0;
  #recordedByKey: Recorded | undefined;

  constructor(
    readonly found: Found,
    private readonly base?: State,
  ) {
    const { stocks, events } = base === undefined ? found : { stocks: [], events: [] };
    this.#locked = new Map(stocks.map((stock) => [keyOf(stock.storeId, stock.productId), stock]));
    this.#priors = new Map(events.map((event) => [keyOf(event.storeId, event.eventId), event]));
    this.message = base?.message;
  }

  run(command: Command): Outcome {
    return this.write(decide(this.named(command), this.groundOf(command)));
  }

  /** The command under the id that it is recorded with. */
  named(command: Command): Command {
    if (command.origin !== 'SYNC' || this.found.otherIds.size === 0) return command;
    const eventId = this.found.otherIds.get(keyOf(command.storeId, command.eventId));
    return eventId === undefined ? command : { ...command, eventId };
  }

  groundOf(command: Command): Ground {
    const { storeId, eventId } = this.named(command);
    return {
      stock: this.stock(keyOf(storeId, command.productId)),
      prior: this.prior(keyOf(storeId, eventId)),
      history: isLateCount(command) || command.origin === 'SYNC' ? this.#historyOf(command) : undefined,
      message: this.message,
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

  /** What is recorded of the stock, and what this transaction has added to it. */
  #historyOf(command: Command): StockHistory {
    const { counts, lastCounts } = this.#recorded;
    const stockKey = keyOf(command.storeId, command.productId);
    const count = command.type === 'COUNT' ? counts.get(keyOf(command.storeId, command.eventId)) : undefined;
    let lastCountTimeUs = count?.lastCountTimeUs ?? lastCounts.get(stockKey);
    let deltaSince = count?.deltaSince ?? 0;
    const timeUs = effectiveTimeOf(command, this.found.nowUs);
    for (const event of this.#written(stockKey)) {
      if (event.effectiveTimeUs > timeUs) deltaSince += event.appliedDelta;
      if (event.type === 'COUNT' && event.status === 'SUCCESS') {
        lastCountTimeUs = Math.max(lastCountTimeUs ?? 0, event.effectiveTimeUs);
      }
    }
    return { lastCountTimeUs, deltaSince };
  }

  get #recorded(): Recorded {
    if (this.base !== undefined) return this.base.#recorded;
    this.#recordedByKey ??= byKey(this.found);
    return this.#recordedByKey;
  }

  /** What this transaction has recorded of a stock. */
  #written(stockKey: string): StockEvent[] {
    for (; this.#sorted < this.events.length; this.#sorted++) {
      const event = this.events[this.#sorted]!;
      const key = keyOf(event.storeId, event.productId);
      const before = this.#byStock.get(key);
      if (before === undefined) this.#byStock.set(key, [event]);
      else before.push(event);
    }
    const own = this.#byStock.get(stockKey) ?? [];
    return this.base === undefined ? own : [...this.base.#written(stockKey), ...own];
  }
}

/** What was found about counts, to be looked up. */
interface Recorded {
  readonly counts: ReadonlyMap<string, CountFound>;
  readonly lastCounts: ReadonlyMap<string, number>;
}

const byKey = ({ counts, lastCounts }: Found): Recorded => ({
  counts: new Map(counts.map((count) => [keyOf(count.storeId, count.eventId), count])),
  lastCounts: new Map(lastCounts.map((count) => [keyOf(count.storeId, count.productId), count.timeUs])),
});

/** Ids hold no control characters, so a NUL keeps the two parts apart. */
export const keyOf = (storeId: string, id: string): string => `${storeId}\0${id}`;
