import { eventIdMetadata, InventoryError } from '../domain/errors.js';
import type { Logger } from '../telemetry/logger.js';
import type { RequestMetrics } from '../telemetry/metrics.js';
import { CallRecorder } from './call-recorder.js';
import { DeadlineTimers } from './deadline-timers.js';
import { toInventoryError } from './errors.js';
import type {
  CallContext,
  Handlers,
  RpcKey,
  StreamedRpc,
  StreamedRpcs,
  StreamHandlers,
  Transport,
  UnaryRpc,
  UnaryRpcs,
} from './rpcs.js';

export interface CallsOptions {
  readonly handlers: Handlers & StreamHandlers;
  readonly metrics: RequestMetrics;
  readonly logger: Logger;
}

/** What a transport knows about a call beside its request. */
export interface CallFacts {
  /**
   * When the caller stops waiting, on the clock of performance.now(); undefined where it does not say (then 5 s). Later
   * than in 30 s means in 30 s.
   */
  readonly deadlineMs?: number | undefined;
  /** For the log. */
  readonly requestId?: string | undefined;
}

/** What a transport knows about a call whose answer is a stream. */
export interface StreamFacts extends CallFacts {
  /** Aborted once the caller has gone. */
  readonly signal: AbortSignal;
}

const NO_FACTS: CallFacts = {};

/** Without a deadline from the caller. */
const DEFAULT_DEADLINE_MS = 5_000;
const LONGEST_DEADLINE_MS = 30_000;
/** A stream's deadline may be any; a timer can hold no more than this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/**
 * A caller that gave a deadline is answered this much before it, or a tenth of it where that is less: after it nobody
 * listens, and the answer may hold the event id to ask again with. The clock of a busy caller fires before it reads
 * what has arrived, so that this has to cover the way and the caller's own delay.
 */
const ANSWER_BEFORE_MS = 100;

/** What every transport runs its calls through: deadline, error table, metrics and log are applied here and only here. */
export class Calls {
  readonly #recorder: CallRecorder;
  readonly #deadlines = new DeadlineTimers();
  #draining = false;

  constructor(private readonly options: CallsOptions) {
    this.#recorder = new CallRecorder(options.metrics, options.logger);
  }

  /** From now on every call is refused with SHUTTING_DOWN; those that run go on. */
  drain(): void {
    this.#draining = true;
  }

  /**
   * Runs one unary call: decode, then authentication, deadline, handler.
   *
   * @param decode makes the request; what it throws is answered like what a handler throws.
   * @returns what the handler answered: at once where it did so at once, which is a third of what a read from memory costs
   *   else. A handler that is not done at the deadline goes on by itself.
   * @throws InventoryError and nothing else, at once or as a rejection.
   */
  run<R extends UnaryRpc>(
    rpc: R,
    origin: Transport,
    decode: () => UnaryRpcs[R]['request'],
    facts: CallFacts = NO_FACTS,
  ): UnaryRpcs[R]['response'] | Promise<UnaryRpcs[R]['response']> {
    const startedMs = performance.now();
    try {
      const request = decode();
      if (this.#draining) throw shuttingDown();
      const deadlineMs = deadlineOf(startedMs, facts.deadlineMs);
      const context: CallContext = { actor: 'anonymous', origin, deadlineMs, eventIds: [] };
      if (deadlineMs <= startedMs) throw deadlineExceeded(context);
      const handlers: Handlers = this.options.handlers;
      const response = handlers[rpc](request, context);
      if (response instanceof Promise) {
        return this.#untilDeadline(response, context).then(
          (settled) => {
            this.#recorder.succeeded(rpc, origin, startedMs);
            return settled;
          },
          (thrown: unknown) => {
            throw this.#failed(rpc, origin, thrown, startedMs, facts);
          },
        );
      }
      this.#recorder.succeeded(rpc, origin, startedMs);
      return response;
    } catch (thrown) {
      throw this.#failed(rpc, origin, thrown, startedMs, facts);
    }
  }

  /** Counts and logs a failed call, and gives the error as callers may see it. */
  #failed(
    rpc: RpcKey,
    origin: Transport,
    thrown: unknown,
    startedMs: number,
    { requestId }: CallFacts,
  ): InventoryError {
    const error = toInventoryError(thrown);
    this.#recorder.failed(rpc, origin, { startedMs, requestId }, error);
    return error;
  }

  /**
   * Runs one call whose answer is a stream, which has no deadline but that of the caller.
   *
   * @throws InventoryError and nothing else.
   */
  async *stream<R extends StreamedRpc>(
    rpc: R,
    origin: Transport,
    decode: () => StreamedRpcs[R]['request'],
    { deadlineMs, requestId, signal }: StreamFacts,
  ): AsyncGenerator<StreamedRpcs[R]['response']> {
    const startedMs = performance.now();
    const ending = new AbortController();
    const giveUp = this.#endAt(deadlineMs, ending);
    const end = () => ending.abort();
    signal.addEventListener('abort', end, { once: true });
    let error: InventoryError | undefined;
    try {
      const request = decode();
      if (this.#draining) throw shuttingDown();
      if (deadlineMs !== undefined && deadlineMs <= startedMs) throw deadlinePassed();
      const handlers: StreamHandlers = this.options.handlers;
      yield* handlers[rpc](request, ending.signal);
      if (ending.signal.reason instanceof InventoryError) throw ending.signal.reason;
    } catch (thrown) {
      error = toInventoryError(thrown);
      throw error;
    } finally {
      if (error === undefined) this.#recorder.succeeded(rpc, origin, startedMs);
      else this.#recorder.failed(rpc, origin, { startedMs, requestId }, error);
      giveUp();
      signal.removeEventListener('abort', end);
    }
  }

  #endAt(deadlineMs: number | undefined, ending: AbortController): () => void {
    const leftMs = (deadlineMs ?? Number.POSITIVE_INFINITY) - performance.now();
    if (deadlineMs === undefined || leftMs > LONGEST_TIMER_MS) return () => undefined;
    const beforeMs = Math.min(ANSWER_BEFORE_MS, Math.max(leftMs, 0) / 10);
    return this.#deadlines.add(deadlineMs - beforeMs, () => ending.abort(deadlinePassed()));
  }

  /** Stops waiting at the deadline. The work goes on, and a late failure of it is nobody's. */
  #untilDeadline<T>(work: Promise<T>, context: CallContext): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = this.#deadlines.add(context.deadlineMs, () => reject(deadlineExceeded(context)));
      work.then(
        (value) => {
          giveUp();
          resolve(value);
        },
        (error: unknown) => {
          giveUp();
          reject(error);
        },
      );
    });
  }

  /** Counts and logs a call that is refused before it reaches a handler, and gives the error as callers may see it. */
  refuse(rpc: RpcKey, origin: Transport, thrown: unknown, requestId?: string): InventoryError {
    return this.#failed(rpc, origin, thrown, performance.now(), { requestId });
  }
}

function deadlineOf(nowMs: number, callerDeadlineMs: number | undefined): number {
  if (callerDeadlineMs === undefined) return nowMs + DEFAULT_DEADLINE_MS;
  const leftMs = Math.min(callerDeadlineMs - nowMs, LONGEST_DEADLINE_MS);
  return nowMs + leftMs - Math.min(ANSWER_BEFORE_MS, Math.max(leftMs, 0) / 10);
}

function deadlineExceeded({ eventIds }: CallContext): InventoryError {
  if (eventIds.length === 0) return deadlinePassed();
  const message = 'The deadline passed; the command may still take effect: ask again with the same event id';
  return new InventoryError('DEADLINE_EXCEEDED', message, { metadata: eventIdMetadata(eventIds) });
}

const deadlinePassed = (): InventoryError => new InventoryError('DEADLINE_EXCEEDED', 'The deadline passed');

function shuttingDown(): InventoryError {
  const message = 'This process is about to stop; try again on another connection';
  return new InventoryError('SHUTTING_DOWN', message, { retryDelayMs: 100 });
}
