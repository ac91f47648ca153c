import type { ErrorReason } from './errors.js';
import type {
  Command,
  Effect,
  LogMessage,
  OperationType,
  Outcome,
  PriorEvent,
  StockEvent,
  StockRow,
} from './types.js';
import { NET_LIMIT } from './types.js';

/** Which way a type moves a stock; COUNT sets it. */
const DIRECTION = { SALE: -1, WASTE: -1, RESTOCK: 1, RETURN: 1, COUNT: 0 } as const satisfies Record<
  OperationType,
  1 | -1 | 0
>;

/** Whether a command may make the stock that it names. What was sold in the store was there, known to us or not. */
export const createsStock = ({ type, origin }: Command): boolean => DIRECTION[type] >= 0 || origin === 'SYNC';

/**
 * What a repeat of an event id must have in common with its first use: type, product and quantity. Times and metadata
 * may differ, since a caller that retries makes them anew. Exact text, so that two payloads cannot collide.
 */
export const fingerprintOf = (command: Pick<Command, 'type' | 'quantity' | 'productId'>): string =>
  `${command.type}:${command.quantity}:${command.productId}`;

/** Whether it is a count of the past, on which the stock's history has something to say. */
export const isLateCount = ({ type, origin, occurredTimeUs }: Command): boolean =>
  type === 'COUNT' && origin !== 'SYNC' && occurredTimeUs !== undefined;

/** What the stock's history says about one command. */
export interface StockHistory {
  /** When the newest count of the stock took effect; undefined where it was never counted. */
  readonly lastCountTimeUs: number | undefined;
  /** For a count: the sum of what events that took effect after its time changed. */
  readonly deltaSince: number;
}

/** What a command is judged on. */
export interface Ground {
  /** The locked row; undefined, or at version 0, where nobody has written it yet. */
  readonly stock: StockRow | undefined;
  /** The event that already has this command's event id, if any. */
  readonly prior: PriorEvent | undefined;
  /** For a count of the past, and for what comes out of a store's log. */
  readonly history: StockHistory | undefined;
  /** Which message of its store's log the command came in. */
  readonly message?: LogMessage | undefined;
  /** The database's clock, read after the lock. */
  readonly nowUs: number;
}

/** What a command does: its outcome, and what is to be written for it (nothing for a replay). */
export interface Decision {
  readonly outcome: Outcome;
  readonly event?: StockEvent;
  readonly stock?: StockRow;
}

/** Judges one command. Pure: what it depends on is in its arguments. */
export function decide(command: Command, ground: Ground): Decision {
  const { stock, prior, nowUs } = ground;
  if (prior !== undefined) return { outcome: repeat(command, prior, stock) };
  const exists = stock !== undefined && stock.version > 0n;
  if (!exists && !createsStock(command)) return { outcome: { kind: 'STOCK_NOT_FOUND' } };

  const event = eventOf(command, ground, judge(command, ground));
  const createTimeUs = exists ? stock.createTimeUs : nowUs;
  const outcome = { kind: 'DECIDED', event, createTimeUs, replayed: false } as const;
  if (event.effect === 'REFUSED' || event.effect === 'ABSORBED') return { outcome, event };
  const { storeId, productId, netAfter: net, version } = event;
  return { outcome, event, stock: { storeId, productId, net, version, createTimeUs, updateTimeUs: nowUs } };
}

/**
 * The refusal of a command whose ATOMIC batch is refused: for a reason of its own, or (BATCH_REFUSED) because of others.
 *
 * @param judgedNet the net that its own reason was judged against.
 */
export function refuse(command: Command, ground: Ground, reason: ErrorReason, judgedNet?: number): Decision {
  const event = eventOf(command, ground, { effect: 'REFUSED', delta: 0, reason, judgedNet });
  const createTimeUs = ground.stock?.createTimeUs ?? ground.nowUs;
  return { outcome: { kind: 'DECIDED', event, createTimeUs, replayed: false }, event };
}

function repeat(command: Command, prior: PriorEvent, stock: StockRow | undefined): Outcome {
  if (prior.fingerprint !== fingerprintOf(command)) return { kind: 'EVENT_ID_REUSED' };
  return {
    kind: 'DECIDED',
    event: prior,
    createTimeUs: stock?.createTimeUs ?? prior.recordedTimeUs,
    replayed: true,
  };
}

interface Judgement {
  readonly effect: Effect;
  /** What is made of the stock's net. */
  readonly delta: number;
  readonly reason?: ErrorReason;
  readonly judgedNet?: number | undefined;
}

/**
 * An online command never takes more than is on hand, and no change leaves the limits. What a store has done already is
 * taken in full, also where more was sold than there was. What took effect before the stock's last count changes nothing:
 * it was on the shelf, or missing there, when that was counted.
 */
function judge(command: Command, ground: Ground): Judgement {
  const { stock, history, nowUs } = ground;
  const lastCountTimeUs = history?.lastCountTimeUs ?? Number.NEGATIVE_INFINITY;
  if (effectiveTimeOf(command, nowUs) < lastCountTimeUs) return { effect: 'ABSORBED', delta: 0 };
  if (command.type === 'COUNT') return judgeCount(command, ground);
  const net = stock?.net ?? 0;
  const delta = DIRECTION[command.type] * command.quantity;
  const beyond = delta < 0 && net + delta < 0;
  if (beyond && command.origin !== 'SYNC')
    return { effect: 'REFUSED', delta: 0, reason: 'INSUFFICIENT_STOCK' };
  return withinLimit(net, delta, beyond ? 'OVERSOLD' : 'APPLIED');
}

/**
 * A count says what stood on the shelf at its time; what happened since then is kept. Where more was sold since than was
 * counted, the stock is oversold, and the count is what finds it out.
 */
function judgeCount(command: Command, { stock, history }: Ground): Judgement {
  const net = stock?.net ?? 0;
  const netAfter = command.quantity + (history?.deltaSince ?? 0);
  return withinLimit(net, netAfter - net, netAfter < 0 ? 'OVERSOLD' : 'APPLIED');
}

function withinLimit(net: number, delta: number, effect: Effect): Judgement {
  if (Math.abs(net + delta) > NET_LIMIT) return { effect: 'REFUSED', delta: 0, reason: 'STOCK_LIMIT' };
  return { effect, delta };
}

/**
 * When a command takes effect in its stock's history. Online: what moves stock when it is decided, whatever the caller's
 * clock says; a count when it was counted. What comes out of a store's log, when its place there says.
 */
export function effectiveTimeOf({ type, occurredTimeUs, effectiveTimeUs }: Command, nowUs: number): number {
  if (effectiveTimeUs !== undefined) return effectiveTimeUs;
  return type === 'COUNT' ? Math.min(occurredTimeUs ?? nowUs, nowUs) : nowUs;
}

function eventOf(command: Command, { stock, message, nowUs }: Ground, judgement: Judgement): StockEvent {
  const { effect, delta, reason, judgedNet } = judgement;
  const netBefore = stock?.net ?? 0;
  const version = stock?.version ?? 0n;
  const changes = effect === 'APPLIED' || effect === 'OVERSOLD';
  return {
    storeId: command.storeId,
    productId: command.productId,
    eventId: command.eventId,
    type: command.type,
    status: effect === 'REFUSED' ? 'FAILED' : 'SUCCESS',
    effect,
    reason,
    requestedDelta: command.type === 'COUNT' ? command.quantity : DIRECTION[command.type] * command.quantity,
    appliedDelta: delta,
    netBefore,
    netAfter: netBefore + delta,
    judgedNet: judgedNet === netBefore ? undefined : judgedNet,
    version: changes ? version + 1n : version,
    occurredTimeUs: Math.min(command.occurredTimeUs ?? nowUs, nowUs),
    effectiveTimeUs: effectiveTimeOf(command, nowUs),
    recordedTimeUs: nowUs,
    actor: command.actor,
    origin: command.origin,
    metadata: command.metadata,
    operationReason: command.operationReason,
    fingerprint: fingerprintOf(command),
    syncEpoch: message?.epoch ?? 0n,
    syncSequence: message?.sequence ?? 0n,
  };
}
