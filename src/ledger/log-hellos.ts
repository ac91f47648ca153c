import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import { InventoryError } from '../domain/errors.js';
import { problemOfEpoch } from '../domain/store-log.js';
import type { LogCursor } from '../domain/types.js';
import { beginEpoch, resumeEpoch } from '../postgres/log-statements.js';
import type { Pool } from '../postgres/pool.js';
import { classifyFailure } from '../postgres/sql-errors.js';
import { noticingWarnings } from '../postgres/warnings.js';

/** After a restart all stores come back at once; their hellos must not take the connections of all else. */
const AT_ONCE = 3;
/** Nor must those that others hold up (a lock, a slow server) keep the turns from those that are free. */
const AGAIN_AT_ONCE = 2;
const TRIES = 5;
const FIRST_PAUSE_MS = 100;

/** The hellos of stores: each gives its stream a number that no older stream has, in a transaction of its own. */
export class LogHellos {
  readonly #firstTries = pLimit(AT_ONCE);
  readonly #laterTries = pLimit(AGAIN_AT_ONCE);

  /** @param writes where the primary is written now; undefined while there is none. */
  constructor(private readonly writes: () => Pool | undefined) {}

  /**
   * Begins a stream of a store's log. A new epoch whose answer is lost has begun all the same: the next one is another.
   *
   * @param epoch 0 for a new one.
   * @param signal aborted once the caller has gone: nothing is tried any more, for it would end the stream that the store
   *   may have opened since.
   * @returns undefined where the caller has gone.
   * @throws InventoryError EPOCH_SUPERSEDED, LOG_FORKED, DATABASE_UNAVAILABLE.
   */
  async open(storeId: string, epoch: bigint, signal: AbortSignal): Promise<LogCursor | undefined> {
    for (let tries = 1, pauseMs = FIRST_PAUSE_MS; !signal.aborted; tries++, pauseMs *= 2) {
      const inTurn = tries === 1 ? this.#firstTries : this.#laterTries;
      try {
        return await inTurn(() => this.#openNow(storeId, epoch, signal));
      } catch (error) {
        if (error instanceof InventoryError || classifyFailure(error) === 'OTHER') throw error;
        if (tries === TRIES) throw unavailable(error);
        await delay(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  async #openNow(storeId: string, epoch: bigint, signal: AbortSignal): Promise<LogCursor | undefined> {
    const pool = this.writes();
    if (pool === undefined) throw new Error('no primary takes writes');
    const client = await pool.connect();
    let clean = signal.aborted;
    try {
      if (signal.aborted) return undefined;
      const { value: opened, warned } = await noticingWarnings(client, () =>
        epoch === 0n ? beginEpoch(client, storeId) : resumeEpoch(client, storeId, epoch),
      );
      if (warned) throw Object.assign(new Error('no standby confirmed it'), { code: '01000' });
      clean = true;
      if ('epoch' in opened) return opened;
      throw problemOfEpoch(storeId, epoch, opened.otherEpoch) ?? new Error('the epoch changed meanwhile');
    } finally {
      client.release(!clean);
    }
  }
}

function unavailable(cause: unknown): InventoryError {
  const message = 'The database cannot be reached; say hello again';
  return new InventoryError('DATABASE_UNAVAILABLE', message, { cause, retryDelayMs: 200 });
}
