import type { ErrorReason, InventoryError } from '../domain/errors.js';
import type { Logger } from '../telemetry/logger.js';
import type { RequestMetrics } from '../telemetry/metrics.js';
import { ERROR_TABLE } from './errors.js';
import type { RpcKey, Transport } from './rpcs.js';
import { RPC_NAMES } from './rpcs.js';

/** At most one warning per reason in this time; what came between is counted in the next one. */
const WARN_EVERY_MS = 1_000;

/** Counts, measures and logs calls. Successes and refusals of the caller's own making leave a log line at debug only. */
export class CallRecorder {
  readonly #meters = new Map<string, Meter>();
  readonly #warnings = new Map<ErrorReason, { nextMs: number; suppressed: number }>();

  constructor(
    private readonly metrics: RequestMetrics,
    private readonly logger: Logger,
  ) {}

  succeeded(rpc: RpcKey, transport: Transport, startedMs: number): void {
    this.#meter(rpc, transport).record('', performance.now() - startedMs);
  }

  failed(
    rpc: RpcKey,
    transport: Transport,
    { startedMs, requestId }: { startedMs: number; requestId: string | undefined },
    error: InventoryError,
  ): void {
    const elapsedMs = performance.now() - startedMs;
    this.#meter(rpc, transport).record(error.reason, elapsedMs);
    const facts = { method: RPC_NAMES[rpc], transport, reason: error.reason, elapsedMs, requestId };
    if (error.reason === 'INTERNAL') {
      this.logger.error({ ...facts, err: error.cause ?? error }, 'A call failed on a defect');
    } else if (isTrouble(error.reason)) {
      this.#warn(error, facts);
    } else {
      this.logger.debug(facts, 'A call was refused');
    }
  }

  #warn(error: InventoryError, facts: object): void {
    const nowMs = performance.now();
    const seen = this.#warnings.get(error.reason) ?? { nextMs: 0, suppressed: 0 };
    this.#warnings.set(error.reason, seen);
    if (nowMs < seen.nextMs) {
      seen.suppressed++;
      return;
    }
    const { suppressed } = seen;
    Object.assign(seen, { nextMs: nowMs + WARN_EVERY_MS, suppressed: 0 });
    const err = error.cause === undefined ? {} : { err: error.cause };
    this.logger.warn({ ...facts, ...err, suppressed }, error.message);
  }

  #meter(rpc: RpcKey, transport: Transport): Meter {
    const key = `${rpc} ${transport}`;
    let meter = this.#meters.get(key);
    if (meter === undefined) {
      meter = new Meter(this.metrics, RPC_NAMES[rpc], transport.toLowerCase());
      this.#meters.set(key, meter);
    }
    return meter;
  }
}

/** What the service, and not the caller, has to see to. */
function isTrouble(reason: ErrorReason): boolean {
  const { httpStatus } = ERROR_TABLE[reason];
  return reason === 'QUEUE_FULL' || (httpStatus >= 500 && reason !== 'UNIMPLEMENTED');
}

/** The metrics of one RPC over one transport, with every label set made once. */
class Meter {
  readonly #count = new Map<ErrorReason | '', () => void>();
  readonly #observe: (seconds: number) => void;

  constructor(
    private readonly metrics: RequestMetrics,
    private readonly method: string,
    private readonly transport: string,
  ) {
    this.#observe = metrics.timer({ method, transport });
  }

  record(reason: ErrorReason | '', elapsedMs: number): void {
    let count = this.#count.get(reason);
    if (count === undefined) {
      const { method, transport } = this;
      const code = reason === '' ? 'OK' : ERROR_TABLE[reason].code;
      count = this.metrics.counter({ method, transport, code, reason });
      this.#count.set(reason, count);
    }
    count();
    this.#observe(elapsedMs / 1000);
  }
}
