import { judgeSubmissions, keyOf } from '../../src/domain/judge-submissions.js';
import { type Placed, placeMessages } from '../../src/domain/store-log.js';
import type {
  Command,
  LogCursor,
  Outcome,
  StockEvent,
  StockRow,
  Submission,
} from '../../src/domain/types.js';

/** The ledger by its rules alone: what it reads and writes stands in memory. */
export class ModelLedger {
  readonly stocks = new Map<string, StockRow>();
  readonly events: StockEvent[] = [];
  readonly #cursors = new Map<string, LogCursor>();

  /** A hello that asks for a new epoch. */
  newEpoch(storeId: string): LogCursor {
    const before = this.#cursors.get(storeId);
    const cursor = {
      ...{ storeId, sequence: 0n, lastEffectiveTimeUs: undefined },
      epoch: (before?.epoch ?? 0n) + 1n,
      stream: (before?.stream ?? 0n) + 1n,
    };
    this.#cursors.set(storeId, cursor);
    return cursor;
  }

  /** One transaction. */
  run(submission: Submission, nowUs: number): readonly Outcome[] | Error {
    const { submissions, moved } = placeMessages([submission], [...this.#cursors.values()], nowUs);
    const [placed] = submissions;
    const commands = placed instanceof Error ? [] : (placed as Placed).commands;
    const { outcomes, events, stocks } = judgeSubmissions(submissions, {
      stocks: [...this.stocks.values()],
      events: this.events,
      counts: commands.filter(({ type }) => type === 'COUNT').map((count) => this.#history(count, nowUs)),
      lastCounts: commands.flatMap(({ storeId, productId }) => {
        const timeUs = this.#lastCount(productId);
        return timeUs === undefined ? [] : [{ storeId, productId, timeUs }];
      }),
      otherIds: new Map(),
      nowUs,
    });
    this.events.push(...events);
    for (const stock of stocks) this.stocks.set(keyOf(stock.storeId, stock.productId), stock);
    for (const cursor of moved) this.#cursors.set(cursor.storeId, cursor);
    return outcomes[0]!;
  }

  #lastCount(productId: string): number | undefined {
    const counts = this.events.filter((each) => each.productId === productId && each.type === 'COUNT');
    return counts.length === 0 ? undefined : Math.max(...counts.map((each) => each.effectiveTimeUs));
  }

  #history({ storeId, productId, eventId, effectiveTimeUs, occurredTimeUs }: Command, nowUs: number) {
    const timeUs = effectiveTimeUs ?? occurredTimeUs ?? nowUs;
    const since = this.events.filter((each) => each.productId === productId && each.effectiveTimeUs > timeUs);
    const deltaSince = since.reduce((sum, event) => sum + event.appliedDelta, 0);
    return { storeId, eventId, lastCountTimeUs: this.#lastCount(productId), deltaSince };
  }
}
