import { eventIdMetadata, InventoryError } from '../domain/errors.js';
import type { Logger } from '../telemetry/logger.js';
import type { RequestMetrics } from '../telemetry/metrics.js';
import { CallRecorder } from './call-recorder.js';
import { toInventoryError } from './errors.js';
import type { CallContext, Handlers, RpcKey, Transport, UnaryRpc, UnaryRpcs } from './rpcs.js';

export interface CallsOptions {
  readonly handlers: Handlers;
  readonly metrics: RequestMetrics;
  readonly logger: Logger;
}

/** Without a deadline from the caller. */
const DEFAULT_DEADLINE_MS = 5_000;
const LONGEST_DEADLINE_MS = 30_000;
/**
 * A caller that gave a deadline is answered this much before it, or a tenth of it where that is less: after it nobody
 * listens, and the answer may hold the event id to ask again with.
 */
const ANSWER_BEFORE_MS = 20;

/** What every transport runs its calls through: deadline, error table, metrics and log are applied here and only here. */
export class Calls {
  readonly #recorder: CallRecorder;
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
   * @param callerDeadlineMs on the clock of performance.now(); undefined where the caller gave none (then 5 s). Later
   *   than in 30 s means in 30 s.
   * @returns what the handler answered. A handler that is not done at the deadline goes on by itself.
   * @throws InventoryError and nothing else.
   */
  async run<R extends UnaryRpc>(
    rpc: R,
    origin: Transport,
    decode: () => UnaryRpcs[R]['request'],
    callerDeadlineMs?: number,
  ): Promise<UnaryRpcs[R]['response']> {
    const startedMs = performance.now();
    try {
      const request = decode();
      if (this.#draining) throw shuttingDown();
      const deadlineMs = deadlineOf(startedMs, callerDeadlineMs);
      const context: CallContext = { actor: 'anonymous', origin, deadlineMs, eventIds: [] };
      if (deadlineMs <= startedMs) throw deadlineExceeded(context);
      const response = await untilDeadline(this.options.handlers[rpc](request, context), context);
      this.#recorder.succeeded(rpc, origin, startedMs);
      return response;
    } catch (thrown) {
      const error = toInventoryError(thrown);
      this.#recorder.failed(rpc, origin, startedMs, error);
      throw error;
    }
  }

  /** Counts and logs a call that is refused before it reaches a handler, and gives the error as callers may see it. */
  refuse(rpc: RpcKey, origin: Transport, thrown: unknown): InventoryError {
    const error = toInventoryError(thrown);
    this.#recorder.failed(rpc, origin, performance.now(), error);
    return error;
  }
}

function deadlineOf(nowMs: number, callerDeadlineMs: number | undefined): number {
  if (callerDeadlineMs === undefined) return nowMs + DEFAULT_DEADLINE_MS;
  const leftMs = Math.min(callerDeadlineMs - nowMs, LONGEST_DEADLINE_MS);
  return nowMs + leftMs - Math.min(ANSWER_BEFORE_MS, Math.max(leftMs, 0) / 10);
}

/** Stops waiting at the deadline. The work goes on, and a late failure of it is nobody's. */
function untilDeadline<T>(work: Promise<T>, context: CallContext): Promise<T> {
  return new Promise((resolve, reject) => {
    const leftMs = Math.ceil(context.deadlineMs - performance.now());
    const timer = setTimeout(() => reject(deadlineExceeded(context)), leftMs);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

function deadlineExceeded({ eventIds }: CallContext): InventoryError {
  if (eventIds.length === 0) return new InventoryError('DEADLINE_EXCEEDED', 'The deadline passed');
  const message = 'The deadline passed; the command may still take effect: ask again with the same event id';
  return new InventoryError('DEADLINE_EXCEEDED', message, { metadata: eventIdMetadata(eventIds) });
}

function shuttingDown(): InventoryError {
  const message = 'This process is about to stop; try again on another connection';
  return new InventoryError('SHUTTING_DOWN', message, { retryDelayMs: 100 });
}
