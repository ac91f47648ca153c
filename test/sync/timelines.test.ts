import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Callers } from '../../src/api/callers.js';
import { type StartedApi, startTestApi } from '../../src/api/started-api.js';
import { Syncing } from '../../src/api/syncing.js';
import { type Command, type Outcome, oversoldOf, quantityOf } from '../../src/domain/types.js';
import { Consistency, OperationType } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { auditStocks, sumsUp } from '../store-audit.js';
import { ModelLedger } from './model-ledger.js';
import { type Deed, type Step, TIMELINES, type Timeline } from './timelines.js';

const MINUTE_US = 60_000_000;

describe('by the rules alone', () => {
  const START_US = 1_700_000_000_000_000;

  const command = ([type, quantity, minute]: Deed, origin: Command['origin']): Command => ({
    ...{ storeId: 'S', productId: 'P', eventId: randomUUID(), type, quantity, origin },
    occurredTimeUs: START_US + minute * MINUTE_US,
    ...{ operationReason: undefined, actor: 'anonymous', metadata: {} },
  });

  const effectsOf = (outcomes: readonly Outcome[] | Error) => {
    if (outcomes instanceof Error) throw outcomes;
    return outcomes.map((outcome) => (outcome.kind === 'DECIDED' ? outcome.event.effect : outcome.kind));
  };

  test.each(TIMELINES)('$title', ({ steps, effects, quantity, oversold = 0 }) => {
    const ledger = new ModelLedger();
    let log = ledger.newEpoch('S');
    let sequence = 0n;
    const seen = steps.flatMap((step) => {
      const nowUs = START_US + step.arrives * MINUTE_US;
      if (step.by === 'ONLINE')
        return effectsOf(ledger.run({ commands: [command(step.deed, 'GRPC')], mode: 'INDEPENDENT' }, nowUs));
      if (step.newEpoch) {
        log = ledger.newEpoch('S');
        sequence = 0n;
      }
      sequence += 1n;
      const message = { ...log, sequence, incomplete: false };
      const commands = step.deeds.map((deed) => command(deed, 'SYNC'));
      return effectsOf(ledger.run({ commands, mode: 'INDEPENDENT', message }, nowUs));
    });
    expect(seen).toEqual(effects);
    const [stock] = ledger.stocks.values();
    expect([quantityOf(stock!.net), oversoldOf(stock!.net)]).toEqual([quantity, oversold]);
    expect(ledger.events.reduce((sum, { appliedDelta }) => sum + appliedDelta, 0)).toBe(stock!.net);
  });
});

describe('through the stream, on PostgreSQL', () => {
  let started: StartedApi;
  let callers: Callers;

  beforeAll(async () => {
    started = await startTestApi();
    callers = new Callers(started.grpcAddress, started.httpUrl);
  });

  afterAll(async () => {
    callers.grpc.close();
    await started.stop();
  });

  test.each(TIMELINES)('$title', async (timeline) => {
    const run = new TimelineRun(callers, timeline);
    expect(await run.effects()).toEqual(timeline.effects);
    expect(await run.stock()).toMatchObject({
      quantity: timeline.quantity,
      oversold: timeline.oversold ?? 0,
    });
    const [audited] = await auditStocks(started.databaseUrl, run.storeId);
    expect(sumsUp(audited!)).toBe(true);
  });
});

/** One timeline in a store of its own. Online steps are taken when they are: what the store did is told relative to them. */
class TimelineRun {
  readonly storeId = `store-${randomUUID()}`;
  /** Which minute was when, by the database's clock. */
  readonly #anchors: { minute: number; timeUs: number }[];
  #stream: Syncing | undefined;
  #sequence = 0;

  constructor(
    private readonly callers: Callers,
    private readonly timeline: Timeline,
  ) {
    this.#anchors = [{ minute: -1, timeUs: (Date.now() - 3_600_000) * 1000 }];
  }

  async effects(): Promise<string[]> {
    const effects: string[] = [];
    for (const step of this.timeline.steps) effects.push(...(await this.#run(step)));
    const ended = await this.#stream?.finish();
    expect(ended?.failure).toBeUndefined();
    return effects;
  }

  stock() {
    const key = { storeId: this.storeId, productId: 'P' };
    return this.callers
      .overGrpc('Get', { ...key, consistency: Consistency.STRONG, minVersion: 0n })
      .then(({ stock }) => stock);
  }

  async #run(step: Step): Promise<string[]> {
    if (step.by === 'ONLINE') return [await this.#online(step.deed)];
    if (this.#stream === undefined || step.newEpoch === true) {
      await this.#stream?.finish();
      this.#stream = await Syncing.open(this.callers, this.storeId);
      this.#sequence = 0;
    }
    const operations = step.deeds.map((deed) => this.#operation(deed));
    const ack = await this.#stream.acknowledged(++this.#sequence, operations);
    return (ack?.results ?? []).map(({ effect }) => EFFECTS[effect]!);
  }

  /** A count through Apply, at its own minute, so that it stands in its place among the others. */
  async #online(deed: Deed): Promise<string> {
    const operations = [
      deed[0] === 'COUNT' ? { ...this.#operation(deed), occurredTime: undefined } : this.#operation(deed),
    ];
    const answer = await this.callers.overGrpc('Apply', { storeId: this.storeId, operations, mode: 2 });
    const [result] = answer.results as { effect: number; eventId: string }[];
    const { events } = await this.callers.overGrpc('ListEvents', {
      ...{ storeId: this.storeId, productId: '', eventId: result!.eventId, type: 0, status: 0, origin: 0 },
      ...{ actor: '', descending: false, pageSize: 1, pageToken: '', consistency: Consistency.STRONG },
    });
    const [{ effectiveTime }] = events as [{ effectiveTime: { seconds: bigint; nanos: number } }];
    const timeUs = Number(effectiveTime.seconds) * 1e6 + effectiveTime.nanos / 1000;
    this.#anchors.push({ minute: deed[2], timeUs });
    return EFFECTS[result!.effect]!;
  }

  #operation([type, quantity, minute]: Deed) {
    return {
      ...{ eventId: randomUUID(), productId: 'P', type: OperationType[type], quantity },
      ...{ reason: '', metadata: {}, occurredTime: this.#timeOf(minute) },
    };
  }

  /** A few microseconds after the last anchor before it; far in the future where it is. */
  #timeOf(minute: number) {
    const anchor = this.#anchors.findLast((each) => each.minute <= minute)!;
    const timeUs =
      minute >= 900 ? (Date.now() + 86_400_000) * 1000 : anchor.timeUs + (minute - anchor.minute);
    const seconds = Math.floor(timeUs / 1e6);
    return { seconds: BigInt(seconds), nanos: (timeUs - seconds * 1e6) * 1000 };
  }
}

const EFFECTS = ['', 'APPLIED', 'OVERSOLD', 'ABSORBED', 'REFUSED'];
