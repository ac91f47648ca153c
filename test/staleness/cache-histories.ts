import fc from 'fast-check';
import type { StockChange, StockCopy } from '../../src/domain/types.js';
import { firstBeatOf } from '../../src/postgres/beat-clock.js';
import { ChangeSlots } from '../../src/reads/change-slots.js';
import { LocalCache } from '../../src/reads/local-cache.js';
import { nameOf } from '../../src/reads/stock-copy.js';
import { CacheModel, KEYS, type ModelCaches, type ModelCopy, STEPS, type Step } from './cache-model.js';

/** For tests: random histories of the model, with the real caches of this process in it. */

const HISTORIES = 100;
const STEPS_PER_HISTORY = 1_000;
const TIMELINE = 1n;
/** Fewer than there are stocks. */
const LIMIT = 2;
const SLOTS = 3;
/** Steps come as often as each other, but for these. */
const WEIGHTS: Partial<Record<Step[0], number>> = {
  use: 30,
  get: 30,
  put: 20,
  dump: 1,
  restore: 1,
  restart: 1,
};

const beatOf = (beat: number): bigint => firstBeatOf(TIMELINE) + BigInt(beat);

const keyOf = (key: number) => ({ storeId: 'S', productId: `P${key}` });

const copyOf = ({ key, version, asOf }: ModelCopy): StockCopy => ({
  stock: { ...keyOf(key), version: BigInt(version), net: version, createTimeUs: 0, updateTimeUs: 0 },
  asOf: beatOf(asOf),
});

const changeOf = ({ key, version }: Omit<ModelCopy, 'asOf'>): StockChange => ({
  ...keyOf(key),
  ...{ version: BigInt(version), netAfter: version, eventId: '', actor: '' },
  ...{ type: 'RESTOCK', effect: 'APPLIED', origin: 'GRPC', requestedDelta: 1, appliedDelta: 1 },
  ...{ occurredTimeUs: 0, recordedTimeUs: 0, syncEpoch: 0n, syncSequence: 0n },
});

const positionOf = (beat: number) => ({
  cursor: { database: 'db', timeline: TIMELINE, synchronous: true, last: 0n, running: [] },
  ...{ beat: beatOf(beat), watermarkUs: 0, watermarkMs: performance.now(), sentMs: 0 },
});

/** The caches of one process. */
function modelCaches(): ModelCaches {
  const cache = new LocalCache(LIMIT, new ChangeSlots(SLOTS));
  return {
    restarted: (beat) => cache.restarted(positionOf(beat)),
    advanced: (beat, changes) => cache.advanced(positionOf(beat), changes.map(changeOf)),
    heard: (copy) => cache.refresh(copyOf(copy)),
    offer: (copy) => cache.offer(copyOf(copy)),
    accepts: (copy) => cache.accepts(copyOf(copy)),
    get: (key) => {
      const stock = cache.get(nameOf(keyOf(key)));
      return stock && Number(stock.version);
    },
  };
}

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.oneof(...STEPS.map((name) => ({ weight: WEIGHTS[name] ?? 10, arbitrary: fc.constant(name) }))),
  fc.nat({ max: 999 }),
  fc.nat({ max: KEYS - 1 }),
);

const histories = fc.array(step, {
  ...{ minLength: STEPS_PER_HISTORY / 2, maxLength: STEPS_PER_HISTORY, size: 'max' },
});

/** What random histories came to: how many answers came from caches, and what was wrong with one. */
export function tryHistories(seed: number): { readonly served: number; readonly stale: string | undefined } {
  let served = 0;
  let stale: string | undefined;
  const property = fc.property(histories, (steps) => {
    const model = new CacheModel(modelCaches);
    for (const each of steps) {
      model.take(each);
      [stale] = model.stale;
      if (stale !== undefined) return false;
    }
    served += model.served;
    return true;
  });
  fc.check(property, { seed, numRuns: HISTORIES, endOnFailure: true });
  return { served, stale };
}
