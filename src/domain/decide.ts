import type { ErrorReason } from './errors.js';
import type { Command, OperationType, Outcome, PriorEvent, StockEvent, StockRow } from './types.js';
import { NET_LIMIT } from './types.js';

/** Which way a type moves a stock; COUNT sets it and is not among them. */
const DIRECTION = { SALE: -1, WASTE: -1, RESTOCK: 1, RETURN: 1 } as const satisfies Partial<
  Record<OperationType, 1 | -1>
>;

/** The types that an online command may have. COUNT is decided with the batch RPCs, which serve it. */
export type MovementType = keyof typeof DIRECTION;

/** A command that moves a stock by its quantity. */
export interface MovementCommand extends Command {
  readonly type: MovementType;
}

/** Whether the command may make the stock that it names. */
export const createsStock = (type: MovementType): boolean => DIRECTION[type] > 0;

/**
 * What a repeat of an event id must have in common with its first use: type, product and quantity. Times and metadata
 * may differ, since a caller that retries makes them anew. Exact text, so that two payloads cannot collide.
 */
export const fingerprintOf = (command: Pick<Command, 'type' | 'quantity' | 'productId'>): string =>
  `${command.type}:${command.quantity}:${command.productId}`;

/** What a command does: its outcome, and what is to be written for it (nothing for a replay). */
export interface Decision {
  readonly outcome: Outcome;
  readonly event?: StockEvent;
  readonly stock?: StockRow;
}

/**
 * Judges one command against its stock. Pure: what it depends on is in its arguments.
 *
 * @param stock the locked row; undefined, or at version 0, where nobody has written it yet.
 * @param prior the event that already has this command's event id, if any.
 * @param nowUs the database's clock, read after the lock.
 */
export function decide(
  command: MovementCommand,
  stock: StockRow | undefined,
  prior: PriorEvent | undefined,
  nowUs: number,
): Decision {
  if (prior !== undefined) return { outcome: repeat(command, prior, stock) };
  const exists = stock !== undefined && stock.version > 0n;
  if (!exists && !createsStock(command.type)) return { outcome: { kind: 'STOCK_NOT_FOUND' } };

  const netBefore = stock?.net ?? 0;
  const delta = DIRECTION[command.type] * command.quantity;
  const refusal = refusalOf(netBefore, delta);
  const event = eventOf(command, { netBefore, delta, versionBefore: stock?.version ?? 0n, refusal, nowUs });
  const createTimeUs = exists ? stock.createTimeUs : nowUs;
  const outcome = { kind: 'DECIDED', event, createTimeUs, replayed: false } as const;
  if (refusal !== undefined) return { outcome, event };
  const { storeId, productId, netAfter: net, version } = event;
  return { outcome, event, stock: { storeId, productId, net, version, createTimeUs, updateTimeUs: nowUs } };
}

function repeat(command: MovementCommand, prior: PriorEvent, stock: StockRow | undefined): Outcome {
  if (prior.fingerprint !== fingerprintOf(command)) return { kind: 'EVENT_ID_REUSED' };
  return {
    kind: 'DECIDED',
    event: prior,
    createTimeUs: stock?.createTimeUs ?? prior.recordedTimeUs,
    replayed: true,
  };
}

/** An online command never takes more than is on hand, and no change leaves the limits. */
function refusalOf(netBefore: number, delta: number): ErrorReason | undefined {
  if (delta < 0 && netBefore + delta < 0) return 'INSUFFICIENT_STOCK';
  return Math.abs(netBefore + delta) > NET_LIMIT ? 'STOCK_LIMIT' : undefined;
}

interface Judgement {
  readonly netBefore: number;
  readonly delta: number;
  readonly versionBefore: bigint;
  readonly refusal: ErrorReason | undefined;
  readonly nowUs: number;
}

function eventOf(command: MovementCommand, judgement: Judgement): StockEvent {
  const { netBefore, delta, versionBefore, refusal, nowUs } = judgement;
  const appliedDelta = refusal === undefined ? delta : 0;
  return {
    storeId: command.storeId,
    productId: command.productId,
    eventId: command.eventId,
    type: command.type,
    status: refusal === undefined ? 'SUCCESS' : 'FAILED',
    effect: refusal === undefined ? 'APPLIED' : 'REFUSED',
    reason: refusal,
    requestedDelta: delta,
    appliedDelta,
    netBefore,
    netAfter: netBefore + appliedDelta,
    version: refusal === undefined ? versionBefore + 1n : versionBefore,
    occurredTimeUs: Math.min(command.occurredTimeUs ?? nowUs, nowUs),
    // Online commands count from when they are decided, whatever the caller's clock says.
    effectiveTimeUs: nowUs,
    recordedTimeUs: nowUs,
    actor: command.actor,
    origin: command.origin,
    metadata: command.metadata,
    fingerprint: fingerprintOf(command),
  };
}
